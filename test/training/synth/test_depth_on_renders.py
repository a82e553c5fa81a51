# SPDX-License-Identifier: Apache-2.0
"""Skin to joint on rendered hands: true 2.5D and the render's own depth give the wrist's depth."""

import numpy as np
import pytest

from digit_core.camera import Camera
from digit_core.depth import root_depth
from digit_core.depth_image import DepthImage, wrist_depth
from digit_core.hand_size import HandScale
from digit_core.measurement import Measurement
from digit_core.skeleton import SIDES
from training.synth.draws import Draws
from training.synth.pairs import TEST_IDENTITIES, PairOptions, random_pairs
from training.synth.picture import CloseUps, Studio

SIZE = 160


def measurement(side, pixels, joints) -> Measurement:
    ones = np.ones(21)
    depth = joints[:, 2] - joints[0, 2]
    return Measurement(side, 1.0, pixels, depth, ones, ones, ones > 0, np.zeros(4))


def errors_m(pictures) -> np.ndarray:
    """(N, 2): of hand size alone, an adult's, and of the depth image, of every hand in view."""
    rows = []
    for i in range(len(pictures.rgb)):
        focal = np.broadcast_to(pictures.camera.focal[i].numpy(), 2).tolist()
        camera = Camera(*focal, *pictures.camera.centre[i].tolist(), SIZE, SIZE, model="none")
        pixels, joints = pictures.joints_px[i].numpy(), pictures.joints_cam_m[i].numpy()
        hands = {
            h: measurement(SIDES[h], pixels[h], joints[h])
            for h in (0, 1)
            if pictures.present[i, h] and ((pixels[h] > 0) & (pixels[h] < SIZE)).all()
        }
        image, scale = DepthImage(pictures.depth[i].numpy()), HandScale.of(None)
        for h, hand in hands.items():
            others = [other for name, other in hands.items() if name != h]
            prior = root_depth(camera, hand.joints_2d, hand.depth_m, scale)
            told = wrist_depth(image, camera, (SIZE, SIZE), hand, scale, prior, others)
            by_size = prior.depth_m if prior else np.nan
            rows.append((by_size - joints[h, 0, 2], (told or prior).depth_m - joints[h, 0, 2]))
    return np.abs(rows)


@pytest.fixture(scope="module")
def pictures():
    draws = Draws(5)
    studio = Studio(backgrounds=12)
    pairs = random_pairs(draws, studio.model, 60, PairOptions(0.4, 0.3, 0.3, TEST_IDENTITIES))
    return studio.close_ups(draws, pairs, SIZE, CloseUps(distorted=0.0))


def test_the_depth_image_tells_the_wrist_to_a_centimetre(pictures):
    errors = errors_m(pictures)
    assert len(errors) > 40
    by_size, by_image = np.nanmedian(errors, axis=0)
    assert by_image < 0.010 < 0.4 * by_size
    assert np.percentile(errors[:, 1], 90) < 0.045
