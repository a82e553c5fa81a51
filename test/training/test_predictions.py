# SPDX-License-Identifier: Apache-2.0
"""Predictions files and the command that evaluates them."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch

from benchmarks.network_filling import uniform
from training import test as command
from training.metrics import Predictions, Truth
from training.predictions import (
    Parts,
    PredictionsError,
    PredictionsFile,
    Protocol,
    load_predictions,
    save_predictions,
)

PROTOCOL = Protocol("InterHand2.6M v1.0, 5 fps", "val", "minival", "rootnet", "db7cba8c1.pt")


def rule(name, *shape):
    return torch.from_numpy(uniform(name, shape))


def content(count=6, with_parts=True):
    hands = torch.tensor([(True, False), (False, True), (True, True)])[torch.arange(count) % 3]
    predictions = Predictions(
        joints_25d=32 + 20 * rule("cells", count, 42, 3),
        root_depth=32 + 20 * rule("root", count, 1),
        hand_probability=0.1 + 0.8 * hands.double(),
        to_picture=rule("maps", count, 2, 3),
    )
    truth = Truth(
        joints_camera=100 * rule("joints", count, 42, 3) + 1000,
        joint_valid=hands.repeat_interleave(21, dim=1),
        hands=hands,
        hands_valid=torch.ones(count, dtype=torch.bool),
        focal=torch.full((count, 2), 1300.0),
        center=torch.full((count, 2), 200.0),
        wrist_depth=torch.full((count, 2), 1000.0),
    )
    labels = (16.5 + 16.5 * rule("labels", count, 128, 128)).to(torch.uint8)
    parts = Parts(labels, labels.flip(1), torch.ones(count, dtype=torch.bool))
    return PredictionsFile(predictions, truth, PROTOCOL, parts if with_parts else None)


@pytest.fixture
def path(tmp_path):
    save_predictions(tmp_path / "f.npz", content())
    return tmp_path / "f.npz"


def changed(path, **arrays):
    """The same file with arrays replaced, or left out where None."""
    with np.load(path) as archive:
        kept = {key: archive[key] for key in archive.files} | arrays
    np.savez(path, **{key: value for key, value in kept.items() if value is not None})


@pytest.mark.parametrize("with_parts", [True, False])
def test_round_trip(tmp_path, with_parts):
    given = content(with_parts=with_parts)
    save_predictions(tmp_path / "f.npz", given)
    found = load_predictions(tmp_path / "f.npz")
    assert found.protocol == PROTOCOL
    for a, b in ((given.predictions, found.predictions), (given.truth, found.truth)):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    assert (found.parts is not None) == with_parts
    assert [file.name for file in tmp_path.iterdir()] == ["f.npz"]


def test_command_prints_every_figure_with_its_protocol(path, capsys, tmp_path):
    assert command.main(["--predictions", str(path), "--json", str(tmp_path / "out.json")]) == 0
    printed = capsys.readouterr().out
    for word in (
        "InterHand2.6M v1.0",
        "minival",
        "rootnet",
        "wrist",
        "alignment: none",
        "db7cba8c1",
    ):
        assert word in printed
    for figure in ("MPJPE", "MRRPE", "handedness accuracy  100.00", "bone", "part IoU"):
        assert figure in printed
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["protocol"]["depth_source"] == "rootnet"
    assert written["items"] == 6 and len(written["figures"]) == 2 + 3 * 43 + 20 + 1


def test_figures_that_nothing_counts_for_are_null(tmp_path):
    save_predictions(tmp_path / "f.npz", content(count=1))
    command.main(["--predictions", str(tmp_path / "f.npz"), "--json", str(tmp_path / "o.json")])
    written = json.loads((tmp_path / "o.json").read_text())
    assert written["figures"]["mrrpe"] is None


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"joints_25d": None}, "'joints_25d' (Nx42x3) missing"),
        ({"parts_true": None}, "'parts_true' (Nx128x128) missing"),
        ({"focal": np.ones((6, 3))}, "'focal' is float64 (6, 3); expected numbers, Nx2"),
        ({"focal": np.array(["a"])}, "'focal'"),
        ({"center": np.ones((5, 2))}, "one row per item"),
        ({"wrist_depth": np.array([[1, 1]] * 4 + [[1, np.nan], [1, 1]])}, "row 4"),
        ({"depth_source": None}, "protocol's depth_source missing"),
    ],
)
def test_wrong_files_are_refused(path, arrays, words):
    changed(path, **arrays)
    with pytest.raises(PredictionsError) as caught:
        load_predictions(path)
    assert words in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"hello", b"\x93NUMPY", b"PK\x03\x04" + bytes(40)])
def test_damaged_files_are_refused(tmp_path, data):
    (tmp_path / "f.npz").write_bytes(data)
    with pytest.raises(PredictionsError, match="damaged or no .npz"):
        load_predictions(tmp_path / "f.npz")


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_truncated_files_are_refused(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(PredictionsError, match="damaged or no .npz"):
        load_predictions(path)


def test_a_bare_array_is_refused(tmp_path):
    with (tmp_path / "f.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(PredictionsError, match="damaged or no .npz"):
        load_predictions(tmp_path / "f.npz")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_header_that_says_it_is_huge_is_refused(path):
    """Found by fuzzing: numpy's MemoryError came through."""
    text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807,)}\n"
    with zipfile.ZipFile(path, "a") as archive:
        name = b"\x93NUMPY\x01\0" + len(text).to_bytes(2, "little") + text
        archive.writestr("weights.npy", name)
    with pytest.raises(PredictionsError, match="damaged or no .npz"):
        load_predictions(path)


def test_command_fails_with_one_sentence(tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "training.test", "--predictions", str(tmp_path / "nowhere.npz")],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1 and "no such file" in run.stderr
