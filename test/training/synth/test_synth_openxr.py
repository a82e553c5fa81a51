# SPDX-License-Identifier: Apache-2.0
"""OpenXR's axes from joints alone against the bones that the hand model turned."""

import numpy as np
import pytest

from digit_core.openxr import OPENXR_NAMES, openxr_hand
from training.synth.bake import ASSETS
from training.synth.draws import Draws
from training.synth.hand_model import HandModel
from training.synth.pose import random_poses

N = 100
BONES = {
    "thumb": ("metacarpal", "proximal", "distal"),
    "index": ("proximal", "intermediate", "distal"),
}
MODEL_FINGER = {"thumb": 0, "index": 1}


@pytest.mark.parametrize(("finger", "median", "most"), [("thumb", 20, 45), ("index", 5, 15)])
def test_y_is_the_back_of_the_bone(finger, median, most):
    model, draws = HandModel(), Draws(11)
    arms = model.pose(model.random_shapes(draws, N, range(400)), random_poses(draws, N))
    segments = arms.bones[:, 3:, :, :3].unflatten(1, (5, 3)).numpy()[:, MODEL_FINGER[finger]]
    with np.load(ASSETS) as assets:
        back = assets["thumb_nail_normal"] if finger == "thumb" else np.array([0.0, 0, -1])
    rows = [OPENXR_NAMES.index(f"{finger}_{bone}") for bone in BONES[finger]]
    turns = np.stack([openxr_hand(j, "right")[1][rows] for j in arms.joints.numpy()])
    off_degrees = _angle_about_the_bone(turns, segments @ back)
    assert np.median(off_degrees) < median and np.percentile(off_degrees, 95) < most


def _angle_about_the_bone(turns, back):
    """Degrees between +Y and the true back once that is made upright on the bone."""
    x, y, z, w = np.moveaxis(turns, -1, 0)
    upright = np.stack([2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w)], -1)
    along = np.stack([2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y)], -1)
    back = back - (back * along).sum(-1, keepdims=True) * along
    back /= np.linalg.norm(back, axis=-1, keepdims=True)
    return np.degrees(np.arccos(np.clip((upright * back).sum(-1), -1, 1)))
