# SPDX-License-Identifier: Apache-2.0
"""Renders: truth and picture agree. Skips where no OpenGL driver is found."""

import numpy as np
import pytest

from digit_core.parts import Part
from digit_core.skeleton import JOINT_NAMES
from training.synth.scene import SceneOptions

pytest.importorskip("moderngl", reason="moderngl is not installed (pip install .[render])")


@pytest.fixture(scope="module")
def studio():
    from training.synth.picture import Studio

    try:
        return Studio()
    except Exception as error:  # moderngl raises plain Exception
        pytest.skip(f"no OpenGL driver: {error}")


def test_close_up_has_truth_that_fits_its_picture(studio):
    seen = right_label = 0
    for i in range(8):
        picture = studio.close_up(np.random.default_rng([1, i]), SceneOptions(), 192)
        assert picture.rgb.shape == (192, 192, 3) and picture.labels.shape == (192, 192)
        present = ~np.isnan(picture.joints_px[:, 0, 0])
        assert present.any() and np.isnan(picture.joints_cam_m[~present]).all()
        projected = picture.joints_cam_m[present] @ picture.k.T
        projected = projected[..., :2] / projected[..., 2:]
        assert np.abs(projected - picture.joints_px[present]).max() < 0.01
        for side in np.flatnonzero(present):
            x, y = np.round(picture.joints_px[side, JOINT_NAMES.index("middle_1")]).astype(int)
            inside = 0 <= x < 192 and 0 <= y < 192
            label = picture.labels[y, x] if inside else 0
            if 0 < label < 33:  # not hidden by something else
                seen += 1
                right_label += (label > 16) == (side == 1)
    assert seen >= 4 and right_label >= 0.7 * seen


def test_all_parts_of_an_open_hand_are_labelled(studio):
    counts = np.zeros(256, int)
    for i in range(30):
        options = SceneOptions(single=1.0)
        picture = studio.close_up(np.random.default_rng([2, i]), options, 192)
        counts += np.bincount(picture.labels.reshape(-1), minlength=256)
    for part in list(Part)[1:]:
        assert counts[part] > 0 and counts[part + 16] > 0, part.name
    assert counts[33:64].sum() == 0


def test_the_same_seed_gives_the_same_picture(studio):
    a, b = (studio.frame(np.random.default_rng(4), SceneOptions(), 160, 120, 0.0) for _ in range(2))
    assert np.array_equal(a.rgb, b.rgb) and np.array_equal(a.labels, b.labels)


def test_empty_frames_have_no_hands(studio):
    picture = studio.frame(np.random.default_rng(6), SceneOptions(), 160, 120, empty=1.0)
    assert np.isnan(picture.joints_px).all()
    assert not ((picture.labels > 0) & (picture.labels < 33)).any()
