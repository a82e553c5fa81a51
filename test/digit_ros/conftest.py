# SPDX-License-Identifier: Apache-2.0
"""Made-up hands for the tests of the message builders."""

import numpy as np
import pytest

from digit_core.hands import DepthSource, Hand, TwoHands
from digit_core.skeleton import NUM_JOINTS


def _hand(side: str, seed: int, **changes) -> Hand:
    random = np.random.default_rng(seed)
    relative = random.normal(scale=0.05, size=(NUM_JOINTS, 3)).astype(np.float32)
    relative[0] = 0.0
    values = {
        "side": side,
        "confidence": 0.9,
        "joints_2d": random.uniform(0, 400, (NUM_JOINTS, 2)).astype(np.float32),
        "joints_relative": relative,
        "joints_3d": relative + np.array([0.1, -0.05, 0.6], np.float32),
        "joint_confidence": random.uniform(0, 1, NUM_JOINTS).astype(np.float32),
        "joint_sigma_px": random.uniform(1, 5, NUM_JOINTS).astype(np.float32),
        "valid": np.ones(NUM_JOINTS, bool),
        "box": np.array([10, 20, 200, 200], np.float32),
        "depth_source": DepthSource.HAND_SIZE,
        "depth_sigma": 0.04,
        "wrist_orientation": np.array([0.5, -0.5, 0.5, 0.5], np.float32),
    }
    return Hand(**(values | changes))


@pytest.fixture
def make_hand():
    """make_hand(side, seed=0, **changes) -> Hand with every joint valid and placed."""
    return lambda side, seed=0, **changes: _hand(side, seed, **changes)


@pytest.fixture
def two_hands(make_hand):
    """Both hands, and an empty segmentation of 480x640."""
    return TwoHands(
        right=make_hand("right", 1),
        left=make_hand("left", 2),
        segmentation=np.zeros((480, 640), np.uint8),
    )
