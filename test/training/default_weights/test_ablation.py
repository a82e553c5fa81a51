# SPDX-License-Identifier: Apache-2.0
"""Scores of the ablation: what is compared with what, and hands of photos as right ones."""

import json

import cv2
import numpy as np
import pytest
import torch

from benchmarks import ablation
from digit_core.network.output import DigitOutput
from digit_core.skeleton import PUBLIC_FROM_NETWORK
from training.default_weights.stream import VARIED


class Answers:
    """A network that says what it was told, in its own order and cells."""

    input_scale = 1.0

    def __init__(self, joints):
        self._joints = joints

    def __call__(self, images):
        assert self.input_scale == 0.5
        cells = torch.zeros(len(images), 42, 3)
        cells[:, list(PUBLIC_FROM_NETWORK), :2] = self._joints / 4
        nothing = torch.zeros(0)
        return DigitOutput(nothing, cells, nothing, nothing, nothing)


def test_scores_are_of_the_right_hand_in_pixels_of_the_crop():
    true = torch.rand(7, 21, 2) * 200
    images = torch.zeros(7, 3, 256, 256)
    device = torch.device("cpu")
    exact = ablation.score(Answers(true), 128, (images, true), device)
    assert exact["pck"] == 1.0 and exact["px"] < 1e-4
    off = ablation.score(Answers(true + torch.tensor([30.0, 40.0])), 128, (images, true), device)
    assert off["px"] == pytest.approx(50.0, abs=1e-3) and off["pck"] == 0.0


def test_left_hands_of_photos_are_shown_as_right_ones(tmp_path):
    """The brightest pixel stays under its joint."""
    entries = []
    for side in ("right", "left"):
        picture = np.zeros((300, 400, 3), np.uint8)
        picture[98:103, 198:203] = 255
        cv2.imwrite(str(tmp_path / f"{side}.png"), picture)
        joints = [[200, 100]] * 20 + [[150, 60]]
        hand = {"side": side, "bbox": [120, 50, 128, 128], "keypoints_2d": joints}
        entry = {"image": f"{side}.png", "width": 400, "height": 300, "category": "one"}
        entries.append({**entry, "hands": [hand]})
    (tmp_path / "labels.json").write_text(json.dumps(entries))
    images, joints = ablation.photographed(tmp_path)
    assert images.shape == (2, 3, 256, 256)
    for image, points in zip(images, joints, strict=True):
        x, y = points[0].round().int().tolist()
        assert image[:, y, x].min() == 1.0
    assert not torch.allclose(joints[0], joints[1])


def test_photos_that_are_not_there_are_one_sentence(tmp_path, capsys):
    arguments = ["--work", str(tmp_path / "work"), "--photos", str(tmp_path)]
    assert ablation.main(arguments) == 2
    assert "labels.json: cannot be read" in capsys.readouterr().err


def test_every_variety_has_its_arm():
    assert sorted(ablation.LEFT_OUT) == sorted(VARIED)


def test_scores_of_another_comparison_are_not_taken_for_these(tmp_path, capsys):
    work = tmp_path / "work"
    work.mkdir()
    (work / "options.json").write_text('{"samples": "64"}')
    assert ablation.main(["--work", str(work), "--samples", "128"]) == 2
    said = capsys.readouterr().err
    assert "of another comparison" in said and "samples 64, not 128" in said
