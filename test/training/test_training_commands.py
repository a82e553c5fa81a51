# SPDX-License-Identifier: Apache-2.0
"""training.train, test and demo as a user runs them, on a small data set."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import torch

from digit_core import load_model
from digit_core.network import build_model
from digit_core.network.checkpoint import save_model

SMALL = ("--model", "digit-lite", "--precision", 32, "--num_workers", 0, "--no_vis")
QUICK = ("--trainsplit", "train", "--valsplit", "val", "--iter_batch", 2, "--eval_every_epoch", 1)

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


def saved(path):
    return torch.load(path, weights_only=True)


def equal(a, b):
    return all(torch.equal(a["state_dict"][key], b["state_dict"][key]) for key in a["state_dict"])


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    save_model(tmp_path / "lite.safetensors", build_model("digit-lite"), "digit-lite")
    return tmp_path / "lite.safetensors"


def test_a_run_leaves_what_it_says(command_here, data_root, tmp_path):
    run = ("--data_root", data_root, *SMALL[:-1], *QUICK, "--batch_size", 4, "--max_epoch", 2)
    said = command_here("train", *run, "--lr_dec_epoch", 1, "--log_every", 1, "--key", "k1").out
    folder = tmp_path / "logs" / "k1"
    assert "run k1" in said
    names = {path.name for path in (folder / "model_dump").iterdir()}
    assert names == {"epoch=0.ckpt", "epoch=1.ckpt", "last.ckpt"}
    assert len(list((folder / "vis").glob("epoch=1_*.png"))) == 4
    assert list((folder / "log" / "tensorboard").iterdir())
    rows = (folder / "log" / "csv" / "metrics.csv").read_text()
    assert "val/mpjpe_all" in rows and "train/bones" in rows and "train/heatmaps" in rows
    # Adam's rate was divided by ten at the first epoch's end.
    rates = saved(folder / "model_dump" / "last.ckpt")["optimizer_states"][0]["param_groups"]
    assert rates[0]["lr"] == pytest.approx(1e-5)
    assert load_model(folder / "model_dump" / "last.ckpt") is not None

    figures = {}
    for source in ("rootnet", "gt", "hand_size"):
        flags = ("--eval_on", "test", "--load_ckpt", folder / "model_dump" / "last.ckpt")
        out = ("--json", tmp_path / "f.json", "--save_predictions", tmp_path / "f.npz")
        machine = ("--data_root", data_root, "--precision", 32, "--num_workers", 0)
        said = command_here(
            "test", *flags, *out, *machine, "--trans_test", source, "--save_parts"
        ).out
        assert f"depth source: {source}" in said
        figures[source] = json.loads((tmp_path / "f.json").read_text())["figures"]
        command_here("test", "--predictions", tmp_path / "f.npz", "--json", tmp_path / "again.json")
        again = json.loads((tmp_path / "again.json").read_text())["figures"]
        assert again == pytest.approx(figures[source], nan_ok=True)
    assert len({f["mpjpe_all"] for f in figures.values()}) == 3


def test_killed_run_goes_on_as_if_it_had_not_been(command_here, environment, data_root, tmp_path):
    options = ("--data_root", data_root, *SMALL, *QUICK, "--batch_size", 2, "--max_epoch", 2)
    options = [*map(str, options), "--save_every", "1", "--mute"]
    killed = tmp_path / "logs" / "killed" / "model_dump" / "last.ckpt"
    process = subprocess.Popen(
        [sys.executable, "-m", "training.train", *options, "--key", "killed"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if killed.exists() and saved(killed)["global_step"] >= 2:  # in the middle of an epoch
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert saved(killed)["global_step"] < 6, "it was too quick to be killed"
    command_here("train", *options, "--resume_ckpt", killed)
    command_here("train", *options, "--key", "whole")
    whole = saved(tmp_path / "logs" / "whole" / "model_dump" / "last.ckpt")
    assert whole["global_step"] == saved(killed)["global_step"] == 6
    assert equal(whole, saved(killed))


def test_a_full_disk_leaves_no_half_checkpoint(environment, data_root, tmp_path):
    options = ("--data_root", data_root, *SMALL, *QUICK, "--batch_size", 2, "--max_epoch", 1)
    limit = 1 << 24  # a checkpoint has twice as much
    done = subprocess.run(
        [sys.executable, "-m", "training.train", *map(str, options), "--mute", "--key", "full"],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "cannot be written (File too large); the checkpoints before it are whole" in done.stderr
    assert list((tmp_path / "logs" / "full" / "model_dump").iterdir()) == []


@pytest.mark.skipif("DIGIT_LONG_TESTS" not in os.environ, reason="minutes: set DIGIT_LONG_TESTS")
def test_killed_twenty_times_at_random_moments(command_here, environment, data_root, tmp_path):
    options = ("--data_root", data_root, *SMALL, *QUICK, "--batch_size", 2, "--max_epoch", 30)
    options = [*map(str, options), "--save_every", "1", "--mute"]
    killed = tmp_path / "logs" / "killed" / "model_dump" / "last.ckpt"
    train = [sys.executable, "-m", "training.train", *options]
    moments, kills, start = random.Random(8), 0, ["--key", "killed"]
    while kills < 20:
        process = subprocess.Popen(
            [*train, *start], cwd=tmp_path, env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        before = killed.stat().st_mtime_ns if killed.exists() else 0
        while process.poll() is None and not (
            killed.exists() and killed.stat().st_mtime_ns != before
        ):
            time.sleep(0.01)
        time.sleep(moments.uniform(0.0, 0.6))  # anywhere from a step to the writing of its state
        process.kill()
        process.wait()
        kills, start = kills + 1, ["--resume_ckpt", str(killed)]
        print(f"kill {kills}: the state is of step {saved(killed)['global_step']}")
    assert 2 < saved(killed)["global_step"] < 90
    command_here("train", *options, "--resume_ckpt", killed)
    command_here("train", *options, "--key", "whole")
    whole = saved(tmp_path / "logs" / "whole" / "model_dump" / "last.ckpt")
    assert whole["global_step"] == saved(killed)["global_step"] == 90
    assert equal(whole, saved(killed))


def test_two_processes_train_and_evaluate_as_one(command, command_here, data_root, tmp_path):
    """Started by Lightning itself to train, by torchrun to evaluate."""
    run = ("--data_root", data_root, *SMALL, *QUICK, "--max_epoch", 1, "--mute")
    run += ("--iter_batch", 3, "--batch_size", 6)
    command_here("train", *run, "--key", "one")
    command("train", *run, "--key", "two", "--gpu_ids", 0, 1)
    one, two = (
        dict(load_model(tmp_path / "logs" / key / "model_dump" / "last.ckpt").named_parameters())
        for key in ("one", "two")
    )
    # Two steps accumulated in one process, or one step in each of two: the same update.
    assert max(float((one[key] - two[key]).detach().abs().max()) for key in one) < 1e-5

    flags = ("--eval_on", "val", "--load_ckpt", tmp_path / "logs/one/model_dump/last.ckpt")
    flags += ("--data_root", data_root, "--precision", 32, "--num_workers", 0)
    command_here("test", *flags, "--save_predictions", tmp_path / "1.npz")
    two = (*flags, "--gpu_ids", 0, 1, "--save_predictions", tmp_path / "2.npz")
    command("test", *two, launcher=TORCHRUN)
    told = [dict(np.load(tmp_path / f"{count}.npz")) for count in (1, 2)]
    assert len(told[0]["hands"]) == len(told[1]["hands"]) == 7
    for name in told[0]:
        if told[0][name].dtype.kind == "f":
            assert np.abs(told[0][name] - told[1][name]).max() < 1e-3, name


def test_demo_draws_prediction_and_truth(command_here, data_root, tmp_path, weights):
    flags = ("--eval_on", "minival", "--load_from", weights, "--data_root", data_root)
    assert "3 pictures in visualization" in command_here("demo", *flags, "--count", 3).out
    for path in (tmp_path / "visualization").iterdir():
        picture = cv2.imread(str(path))
        assert picture.shape == (512, 6 * 256, 3)
        assert picture[256:, 256:512].std() > 5, "no true parts"


FAULTS = {
    "no data": (
        ("train", "--data_root", "nowhere", *SMALL),
        "nowhere/annotations/train/InterHand2.6M_train_camera.json: no such file",
    ),
    "batch": (
        ("train", "--iter_batch", 3, "--batch_size", 4),
        "--batch_size 4: expected a multiple of 3",
    ),
    "two weights": (
        ("test", "--eval_on", "val", "--load_from", "a.pt", "--load_ckpt", "b.ckpt"),
        "give one of --load_from",
    ),
    "no weights": (("test", "--eval_on", "val", "--load_from", "a.pt"), "a.pt: no such file"),
    "no checkpoint": (("train", *SMALL, "--load_ckpt", "no.ckpt"), "no.ckpt: no such file"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_one_sentence(command_here, fault):
    arguments, expected = FAULTS[fault]
    said = command_here(*arguments, status=2).err.strip().splitlines()
    assert expected in said[-1] and "Traceback" not in "".join(said)


def test_weights_are_no_checkpoint_to_go_on_from(command_here, data_root, weights):
    said = command_here("train", "--data_root", data_root, *SMALL, "--load_ckpt", weights, status=2)
    assert "--load_from" in said.err
