# SPDX-License-Identifier: Apache-2.0
"""training.prepare: packed pictures, and every fault at once (masks: test/training/mano)."""

import json
import resource
import shutil
import signal
import subprocess
import sys

import lmdb
import numpy as np
import pytest

from training.interhand.dataset import InterHand
from training.interhand.raw import SplitFiles


@pytest.mark.parametrize("png", [False, True])
def test_packed_pictures_are_the_files(command_here, data_root, png):
    before = InterHand(data_root, "val").picture(3)
    run = ("images", "--data_root", data_root, "--splits", "val", *(["--png"] if png else []))
    assert "val: 7 pictures added" in command_here("prepare", *run).out
    shutil.rmtree(data_root / "images" / "val")
    assert np.array_equal(InterHand(data_root, "val").picture(3), before)


def test_interrupted_packing_goes_on(data_root, environment):
    command = [sys.executable, "-c", KILLED, str(data_root)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().strip() == "committed"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    path = data_root / "images" / "interhand.lmdb"
    with lmdb.open(str(path), readonly=True) as packed:
        assert packed.stat()["entries"] == 2
    from training.prepare import prepare_images

    assert prepare_images(SplitFiles(data_root, "val"), as_png=False) == 5
    assert prepare_images(SplitFiles(data_root, "val"), as_png=False) == 0


#: Packs two pictures, says so, and waits to be killed over the third.
KILLED = """
import sys, time
from pathlib import Path
from training import packing, prepare
from training.interhand.raw import SplitFiles
packing.COMMIT, packed, count = 2, prepare._packed, 0
def slow(path, as_png):
    global count
    count += 1
    if count == 3:
        print("committed", flush=True)
        time.sleep(60)
    return packed(path, as_png)
prepare._packed = slow
prepare.prepare_images(SplitFiles(Path(sys.argv[1]), "val"), False)
"""


def test_a_full_disk_is_one_sentence_and_loses_nothing(command_here, environment, data_root):
    run = ("-m", "training.prepare", "images", "--data_root", str(data_root), "--splits", "val")
    done = subprocess.run(
        [sys.executable, *run], env=environment, capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 14, 1 << 14)),
    )  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "interhand.lmdb: cannot be written" in done.stderr
    assert "val: 7 pictures added" in command_here("prepare", *run[2:]).out


def test_check_reports_every_fault(command_here, data_root):
    run = ("--check", "--data_root", data_root, "--splits", "val")
    assert "nothing is wrong" in command_here("prepare", *run).out
    files = SplitFiles(data_root, "val")
    cameras = json.loads(files.annotation("camera.json").read_text())
    del cameras["0"]["focal"]["400001"]
    files.annotation("camera.json").write_text(json.dumps(cameras))
    pictures = sorted((data_root / "images" / "val").rglob("*.jpg"))
    pictures[2].unlink()
    pictures[3].write_bytes(pictures[3].read_bytes()[:-300])
    files.rootnet.unlink()
    said = command_here("prepare", *run, status=2).err
    for part in ("camera 400001", "image2.jpg: No such file", "image3.jpg: damaged", "4 fault(s)"):
        assert part in said
