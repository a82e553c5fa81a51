# SPDX-License-Identifier: Apache-2.0
"""A process that reads files and says how it went: python readers.py READER, paths on stdin.

Each line in is a path as JSON, the first a good file's. Each line out is the outcome.
"""

import faulthandler
import functools
import json
import os
import shutil
import sys
import threading
import time
import traceback
from pathlib import Path


def load_model():
    import digit_core

    return digit_core.load_model, "CheckpointError"


def load_networks():
    from digit_core.weights import load_networks

    return lambda path: load_networks(path, "cpu"), "CheckpointError"


def backbone():
    import torch

    from training.backbone import load_backbone

    trunk = torch.nn.Module()
    trunk.conv1, trunk.bn1 = torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)
    return lambda path: load_backbone(trunk, path), "DataError"


def annotations():
    from training.interhand.dataset import InterHand

    def read(root):
        shutil.rmtree(root / "cache" / "annotations", ignore_errors=True)
        data = InterHand(root, "val", "rootnet")
        data.truth()
        for item in range(len(data)):
            data[item]

    return read, "DataError"


def check():
    """`training.prepare --check`, which goes on after a fault."""
    from training.prepare import check

    def read(root):
        for fault in check(root, ["val"]):
            assert fault.isprintable() and str(root) in fault, fault

    return read


def table():
    from training.interhand.raw import SplitFiles
    from training.interhand.table import open_table

    def read(root):
        found = open_table(SplitFiles(root, "val"))
        for row in range(len(found)):
            found.key(row)

    return read, "DataError"


def pictures():
    from training.interhand.pictures import PictureStore

    def read(root):
        store = PictureStore(root)
        for key in json.loads((root / "keys.json").read_text()):
            store.image(key)
            store.labels(key, (64, 48))

    return read, "DataError"


def png():
    """Against OpenCV, whose answer is the right one."""
    import cv2
    import numpy as np

    from digit_core.picture import decode_picture
    from training.interhand.png import decode_color, decode_gray

    def read(path):
        value = path.read_bytes()
        for ours, mode in ((decode_color, cv2.IMREAD_COLOR), (decode_gray, cv2.IMREAD_GRAYSCALE)):
            found, wanted = ours(value), decode_picture(value, mode)
            # OpenCV gives a damaged picture as far as it came; ours leaves it to OpenCV then.
            assert (found is None) == (wanted is None), "one of them gives a picture"
            assert found is None or np.array_equal(found, wanted), "another picture than OpenCV's"

    return read


def pickled():
    from training.interhand.pickles import read_pickle

    return read_pickle, "DataError"


def mano():
    from training.mano import load_mano, vertex_parts

    return lambda path: vertex_parts(load_mano(path).weights), "DataError"


def vertex_list():
    from training.mano import read_vertex_parts

    return read_vertex_parts, "DataError"


def predictions():
    from training.predictions import load_predictions

    return load_predictions, "PredictionsError"


def bag():
    """The whole command beside the network, which is loaded once."""
    from digit_ros.bag import run
    from digit_ros.bag.__main__ import _parser
    from digit_ros.parameter_table import checked
    from digit_ros.parameters import Parameters

    parameters = Parameters()
    estimator = run._load(parameters)
    run._load = lambda _: estimator

    def read(path):
        output = path.with_name("written")
        journal = path.with_name("journal")
        shutil.rmtree(output, ignore_errors=True)
        shutil.rmtree(output.with_name("written.part"), ignore_errors=True)
        if journal.is_file():
            output.with_name("written.part").mkdir()
            shutil.copy(journal, output.with_name("written.part") / "journal")
        run.run(
            _parser().parse_args([str(path), str(output)]), checked(Parameters, vars(parameters))
        )

    return read, "BagError"


def journal():
    from digit_ros.bag.journal import Journal

    def read(path):
        made = Journal(path, {"input": "a"})
        made.close()

    return read, "BagError"


def solver():
    """Lines of the file as a solver process says them: the second and later ones when asked."""
    import numpy as np

    from digit_ros.retarget.process import Solver

    class SolverFault(Exception):
        pass

    def read(path):
        fake = path.with_name("python")
        fake.write_text(f"#!/bin/sh\nhead -n 1 {path}\nread _\ntail -n +2 {path}\n")
        fake.chmod(0o700)
        solver = Solver(str(fake), "config.yml", "", timeout_s=5.0)
        answer, limit_s = None, time.monotonic() + 60
        try:
            while not solver.fault and (answer := solver.take()) is None:
                assert time.monotonic() < limit_s
                if solver.ready:
                    solver.ask(np.zeros((21, 3)))
                elif path.read_bytes().count(b"\n") == 0:
                    solver.close()  # it would wait for the rest of its line for ever
                time.sleep(0.001)
            if answer is None:
                answer = solver.take()  # it may have ended right after its answer
            if answer is None:
                raise SolverFault(solver.fault)
            assert answer.shape == (len(solver.names),) == solver.lower.shape
        finally:
            solver.close(wait_s=5.0)

    return read, "SolverFault"


def parameters():
    """A file of parameters as a node takes them at its start."""
    import rclpy
    from rclpy.node import Node

    from digit_ros.parameter_table import declare
    from digit_ros.parameters import Parameters

    def read(path):
        context = rclpy.Context()
        try:
            rclpy.init(args=["--ros-args", "--params-file", str(path)], context=context)
            node = Node("digit", context=context)
            try:
                declare(node, Parameters).settings()
            finally:
                node.destroy_node()
        finally:
            context.try_shutdown()

    # digit_node says rcl's own errors as they are.
    return read, "BadParameter", "RCLError", "RCLInvalidROSArgsError"


def media():
    from digit_core.media import Media

    def read(path):
        for number, frame in enumerate(Media.open(path).frames()):
            assert frame.ndim == 3 and frame.shape[2] == 3 and frame.size
            if number > 100:
                break

    return read, "MediaError"


def player():
    from digit_ros.player.sources import open_source, quiet_decoders

    quiet_decoders()

    def read(path):
        source = open_source(str(path))
        assert 0 <= source.rate_hz <= 1000
        for number, (picture, _) in enumerate(source):
            assert picture.ndim == 3 and picture.size
            if number > 100:
                break

    return read, "BadSource"


def sidecar():
    from digit_core.camera import Camera
    from digit_ros.player.intrinsics import from_sidecar

    def read(path):
        Camera.from_camera_info(from_sidecar(path, 640, 480), rectified=False)

    return read, "BadIntrinsics"


READERS = {
    row.__name__: row
    for row in (
        load_model,
        load_networks,
        backbone,
        annotations,
        check,
        table,
        pictures,
        png,
        pickled,
        mano,
        vertex_list,
        predictions,
        bag,
        journal,
        solver,
        parameters,
        media,
        player,
        sidecar,
    )
}


def main(name):
    """Answer until the pipe is closed."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    os.environ["OMP_NUM_THREADS"] = "1"
    faulthandler.enable()  # a reader that hangs is ended by SIGABRT and says where it was
    made = READERS[name]()
    read, *refusals = made if isinstance(made, tuple) else (made,)
    loose = []
    threading.excepthook = lambda given: loose.append(given.exc_value)
    for line in sys.stdin:
        outcome = _outcome(functools.partial(read, Path(json.loads(line))), refusals, loose)
        replies.write(json.dumps(outcome) + "\n")
        replies.flush()


def _outcome(read, refusals, loose):
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before, begun_s = _status("VmRSS"), time.process_time()
    kind, error, said = "answered", "", ""
    loose.clear()
    try:
        read()
    except Exception as raised:
        error, said = type(raised).__name__, str(raised)
        kind = "refused" if error in refusals else "escaped"
        if kind == "escaped":
            said = "".join(traceback.format_exception(raised))[-1500:]
    if loose:
        kind, error, said = "escaped in a thread", type(loose[0]).__name__, str(loose[0])
    growth = (_status("VmHWM") - before) / 1e6
    cpu_s = time.process_time() - begun_s
    return {"kind": kind, "error": error, "said": said, "cpu_s": cpu_s, "growth_mb": growth}


def _status(name):
    """Bytes of a row of /proc/self/status."""
    rows = Path("/proc/self/status").read_text().splitlines()
    return next(int(row.split()[1]) * 1024 for row in rows if row.startswith(name + ":"))


if __name__ == "__main__":
    main(sys.argv[1])
