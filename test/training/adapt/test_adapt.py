# SPDX-License-Identifier: Apache-2.0
"""Training on for one's own camera, in miniature: frames of the bundled clip with their truth."""

import json

import cv2
import numpy as np
import pytest
import torch

from benchmarks.clip import CLIP, read_truth
from digit_core import DigitEstimator, weights
from digit_core.weights import read_bundle
from training.adapt import __main__ as command
from training.adapt.measured import table, worse
from training.default_weights.photo_batches import PhotoBatches
from training.default_weights.photos import read_photos
from training.default_weights.stream import SIZES

pytestmark = pytest.mark.skipif(not weights.BUNDLED.is_file(), reason="no bundled weights")
SMALL = ["--minutes", "0.05", "--batch", "8", "--pool", "4", "--chunk", "0", "--device", "cpu"]
SMALL += ["--frames", "1"]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Eight frames to train on and four to measure on; one of each without a hand."""
    root = tmp_path_factory.mktemp("own")
    truth, video, entries = read_truth(CLIP), cv2.VideoCapture(str(CLIP)), []
    for number in range(0, len(truth.joints_2d), len(truth.joints_2d) // 12 + 1):
        video.set(cv2.CAP_PROP_POS_FRAMES, number)
        frame, name = video.read()[1], f"{number:04d}.png"
        hands = [
            {"side": side, "keypoints_2d": joints.tolist()}
            for side, joints in zip(("right", "left"), truth.joints_2d[number], strict=True)
        ]
        split = "val" if len(entries) % 3 == 2 else "train"
        if len(entries) in (4, 5):
            frame, hands = np.full_like(frame, 120), []
        cv2.imwrite(str(root / name), frame)
        entries.append({"image": name, "hands": hands, "complete": True, "split": split})
    (root / "labels.json").write_text(json.dumps(entries))
    return root


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setitem(SIZES, "pose", 96)
    monkeypatch.setitem(SIZES, "detector", 96)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def parts(path):
    """The file's tensors: those of the pose network, and those of the detector."""
    state = read_bundle(path)[1]
    return tuple({k: v for k, v in state.items() if k.startswith(p)} for p in ("pose.", "detec"))


def changed(a, b):
    assert a.keys() == b.keys() and all(a[k].dtype == b[k].dtype for k in a)
    return any(not torch.equal(a[k], b[k]) for k in a)


def test_trained_weights_load_and_nothing_else_is_written(own, small, tmp_path, capsys):
    output = tmp_path / "own.safetensors"
    assert command.main(["--photos", str(own), "--output", str(output), *SMALL]) == 0
    said = capsys.readouterr().out
    assert "8 pictures to train on, 4 to measure on" in said
    assert "kept as it was" in said and "before   after" in said
    assert [p.name for p in tmp_path.iterdir()] == ["own.safetensors"]
    before, after = parts(weights.BUNDLED), parts(output)
    assert changed(before[0], after[0]) and changed(before[1], after[1])
    image = np.full((60, 80, 3), 90, np.uint8)
    assert list(DigitEstimator.load(output, "cpu")(image)) == []


def test_one_part_alone_and_with_enough_pictures_the_law(own, small, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "LEAST_FOR_THE_LAW", 4)
    output = tmp_path / "own.safetensors"
    run = ["--photos", str(own), "--output", str(output), "--part", "pose", *SMALL]
    assert command.main(run) == 0
    said = capsys.readouterr().out
    assert "2 to measure on" in said and "is fitted on 2 pictures" in said
    before, after = parts(weights.BUNDLED), parts(output)
    assert changed(before[0], after[0]) and not changed(before[1], after[1])
    old, new = (read_bundle(path)[0] for path in (weights.BUNDLED, output))
    assert old["offset"] != new["offset"] and old["sigma_gain"] == new["sigma_gain"]


def figures(**some):
    names = "hands found pck side_right hand_right both_right none_told too_many".split()
    return dict.fromkeys(names, 0.5) | {"hands": 9, "too_many": 0} | some


def test_what_got_worse_is_said():
    before = figures(hand_right=0.8, none_told=float("nan"))
    assert worse(before, figures(hand_right=0.9, none_told=float("nan"))) == []
    assert worse(before, figures(hand_right=0.7)) == ["hand right 0.700 instead of 0.800"]
    assert worse(figures(none_told=1.0), figures(none_told=0.9)) == [
        "nothing told where no hand is 0.900 instead of 1.000"
    ]
    rows = table(before, figures(hand_right=0.7)).splitlines()
    assert any(row.split() == ["hand", "right", "0.800", "0.700"] for row in rows)
    assert any(row.split()[-2:] == ["-", "0.500"] for row in rows)


def test_weights_that_got_worse_are_written_and_called_so(capsys):
    command.report(figures(hand_right=0.8), figures(hand_right=0.7))
    assert "WORSE than before" in capsys.readouterr().out
    command.report(figures(), figures())
    assert "WORSE" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "name, said",
    [
        ("there.safetensors", "it is there already"),
        ("own.pt", "expected a name that ends in .safetensors"),
        ("none/own.safetensors", "its folder does not exist"),
    ],
)
def test_an_output_that_will_not_do_is_refused_before_any_work(own, tmp_path, capsys, name, said):
    (tmp_path / "there.safetensors").write_bytes(b"mine")
    assert command.main(["--photos", str(own), "--output", str(tmp_path / name), *SMALL]) == 2
    assert said in capsys.readouterr().err
    assert (tmp_path / "there.safetensors").read_bytes() == b"mine"


def test_photos_that_cannot_teach_are_named(own, tmp_path, capsys):
    output = ["--output", str(tmp_path / "own.safetensors"), *SMALL]
    assert command.main(["--photos", str(tmp_path), *output]) == 2
    assert "labels.json: cannot be read" in capsys.readouterr().err
    entries = json.loads((own / "labels.json").read_text())
    empty = [{**e, "image": str(own / e["image"])} for e in entries if not e["hands"]]
    (tmp_path / "labels.json").write_text(json.dumps(empty))
    assert command.main(["--photos", str(tmp_path), *output]) == 2
    assert "no labelled hand in split 'train'" in capsys.readouterr().err


def test_weights_of_another_form_are_refused(own, tmp_path, capsys):
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"no weights")
    run = ["--photos", str(own), "--output", str(tmp_path / "own.safetensors"), *SMALL]
    assert command.main([*run, "--start-from", str(other)]) == 2
    assert "other.safetensors: damaged" in capsys.readouterr().err


def test_pictures_without_a_split_are_trained_on_and_not_measured(own, tmp_path):
    entries = json.loads((own / "labels.json").read_text())
    for entry in entries:
        entry["image"] = str(own / entry["image"])
        entry.pop("split")
    (tmp_path / "labels.json").write_text(json.dumps(entries))
    train, val = command.own_photos([tmp_path])
    assert len(train) == 12 and val == []


def test_photos_none_of_which_is_complete_can_be_trained_on(own, tmp_path):
    entries = json.loads((own / "labels.json").read_text())
    entries = [{**e, "image": str(own / e["image"]), "complete": False} for e in entries]
    (tmp_path / "labels.json").write_text(json.dumps(entries))
    batches = PhotoBatches(read_photos([tmp_path]))
    _, targets = batches.pose(np.random.default_rng(0), 64, 64)
    present, known = targets["hands"] > 0, targets["hands_known"]
    assert present.any() and not (~present & known).all(1).any()
    assert batches.backgrounds(4) == []
