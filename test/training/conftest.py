# SPDX-License-Identifier: Apache-2.0
"""A small data set in InterHand2.6M's layout, and running training's commands on it."""

import importlib
import os
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from digit_core.parts import Part
from digit_core.skeleton import BONES, SIDES
from training.synth.layout import Drawn, write_split

WIDTH, HEIGHT, FOCAL = 200, 160, 300.0
K = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
#: What a test that calls a command may cost in threads.
CALM = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}


def hand(rng, side, x_m):
    """(21, 3) metres, camera space: five straight fingers, fanned out."""
    points = np.zeros((21, 3))
    wrist = np.array([x_m, 0.06, 0.6 + rng.normal(0, 0.02)])
    points[0] = wrist
    mirror = 1 if side == "right" else -1
    for finger in range(5):
        angle = np.deg2rad(-40 + 20 * finger + rng.normal(0, 4)) * mirror
        for step in range(4):
            length = 0.05 + 0.025 * step
            across = [np.sin(angle) * length, -np.cos(angle) * length, rng.normal(0, 0.004)]
            points[1 + 4 * finger + step] = wrist + across
    return points


def drawn(seed, sides):
    """One picture of the hands `sides`."""
    rng = np.random.default_rng(seed)
    rgb = np.full((HEIGHT, WIDTH, 3), (20, 30, 40), np.uint8)
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    place = np.full((2, 21, 3), np.nan)
    for side in sides:
        channel = SIDES.index(side)
        place[channel] = hand(rng, side, -0.06 if side == "right" else 0.06)
    projected = np.nan_to_num(place, nan=1.0) @ K.T
    pixels = projected[..., :2] / projected[..., 2:]
    for side in sides:
        channel = SIDES.index(side)
        for a, b in BONES:
            ends = pixels[channel][[a, b]].round().astype(int)
            color = (200, 150, 60 + 90 * channel)
            cv2.line(rgb, ends[0], ends[1], color, 5)
            cv2.line(labels, ends[0], ends[1], int(Part.PALM) + 16 * channel, 5)
    present = np.array([side in sides for side in SIDES])
    return Drawn(rgb, labels, np.nan_to_num(place), pixels, present, K)


KINDS = (("right",), ("left",), SIDES, SIDES, ("right",), SIDES, ("left",))


def written(root):
    """The data set in the folder `root`, which this gives."""
    for number, split in enumerate(("train", "val", "test")):
        write_split(root, split, [drawn(10 * number + i, kind) for i, kind in enumerate(KINDS)])
    return root


@pytest.fixture(scope="session")
def data_root_once(tmp_path_factory):
    return written(tmp_path_factory.mktemp("interhand"))


@pytest.fixture
def new_data_root(tmp_path):
    """new_data_root() writes the set anew and gives its folder."""
    return lambda: written(tmp_path / "InterHand")


@pytest.fixture
def data_root(data_root_once, tmp_path):
    """A copy that the test may spoil: 7 items in each split, two hands in 3 of them."""
    return shutil.copytree(data_root_once, tmp_path / "InterHand")


@pytest.fixture
def environment():
    """Of a process that finds this project from any folder."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return {**os.environ, **CALM, "PYTHONPATH": root}


@pytest.fixture
def command(tmp_path, environment):
    """command("train", "--key", "a", ...) runs python -m training.train in the test's folder.

    `launcher` is what stands before the module's name: `torchrun`'s module and its options.
    """

    def call(name, *arguments, status=0, launcher=()):
        done = subprocess.run(
            [sys.executable, *launcher, "-m", f"training.{name}", *map(str, arguments)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == status, done.stderr[-3000:] + done.stdout[-1000:]
        return done

    return call


@pytest.fixture
def command_here(tmp_path, monkeypatch, capsys):
    """The same in this process, which saves the start of another; gives (stdout, stderr)."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the processes that `command` starts

    def call(name, *arguments, status=0):
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("DIGIT_RUN_KEY", raising=False)
        capsys.readouterr()
        code = importlib.import_module(f"training.{name}").main([*map(str, arguments)])
        said = capsys.readouterr()
        assert code == status, said.err
        return said

    yield call
    torch.set_num_threads(threads)
