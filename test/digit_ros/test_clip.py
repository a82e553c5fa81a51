# SPDX-License-Identifier: Apache-2.0
"""The bundled clip through player and node against its ground truth: errors, sides, TF."""

import os
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from tf2_msgs.msg import TFMessage

from digit_core import weights as core_weights
from digit_ros.messages import points_array, wrist_transforms
from digit_ros.msg import TwoHandSkeleton

CLIPS = Path(__file__).parents[2] / "clips"
SIDES = ("right", "left")
#: Slow enough that a busy machine answers most pictures.
RATE_HZ = 16.0

for needed in (CLIPS / "two_hands.mp4", CLIPS / "two_hands_truth.npz", core_weights.BUNDLED):
    if not needed.is_file():
        name = os.path.relpath(needed, CLIPS.parent)
        pytest.skip(f"{name} is missing", allow_module_level=True)


@pytest.fixture(scope="module")
def truth():
    """Ground truth: joints_px (T, 2, 21, 2) and joints_cam_m (T, 2, 21, 3), right hand first."""
    with np.load(CLIPS / "two_hands_truth.npz") as arrays:
        return dict(arrays)


@pytest.fixture
def played(start_node, ears, truth):
    """(frame number, skeleton) of every answered picture of the clip, and all transforms."""
    infos = ears.listen(CameraInfo, "camera_info", QoSProfile(depth=300))
    skeletons = ears.listen(TwoHandSkeleton, "skeleton", QoSProfile(depth=300))
    transforms = ears.listen(TFMessage, "/tf", QoSProfile(depth=300))
    alive = ears.listen(DiagnosticArray, "/diagnostics", 10)
    start_node("digit_node")
    ears.spin_until(lambda: alive, 90.0, "the node")
    # The player begins when it knows of the node and of this process.
    ears.node.create_subscription(Image, "image", lambda _: None, 1)
    clip = CLIPS / "two_hands.mp4"
    given = {"source": clip, "rate_hz": RATE_HZ, "wait_for_subscriber_s": 30.0, "subscribers": 2}
    player = start_node("player_node", given)
    ears.spin_until(lambda: not player.running, 120.0, "the clip's end")
    ears.spin_for(1.0)
    assert player.wait() == 0
    # A topic's first messages can pass before both ends know of each other.
    missed = len(truth["joints_px"]) - len(infos)
    assert 0 <= missed < 20
    numbers = {key(info.header): missed + i for i, info in enumerate(infos)}
    known = [s for s in skeletons if key(s.header) in numbers]
    return [(numbers[key(s.header)], s) for s in known], transforms


def key(header):
    return header.stamp.sec, header.stamp.nanosec


def joint_errors(answers, truth):
    """Per answered hand: 2D error over its box's side, and root-relative error in metres.

    A hand that was missed counts with an infinite error for each joint: two (N, 21).
    """
    pixel_errors, metre_errors = [], []
    for number, skeleton in answers:
        for side, name in enumerate(SIDES):
            hand = getattr(skeleton, name)
            pixels, metres = truth["joints_px"][number, side], truth["joints_cam_m"][number, side]
            box = np.ptp(pixels, axis=0).max()
            off = np.linalg.norm(np.reshape(hand.pixels, (21, 2)) - pixels, axis=1) / box
            away = np.linalg.norm(points_array(hand.relative) - (metres - metres[0]), axis=1)
            pixel_errors.append(np.nan_to_num(off, nan=np.inf))
            metre_errors.append(np.nan_to_num(away, nan=np.inf))
    return np.array(pixel_errors), np.array(metre_errors)


def swapped(answers, truth):
    """Numbers of the frames where a hand is nearer to the other hand's truth than to its own."""
    frames = []
    for number, skeleton in answers:
        for side, name in enumerate(SIDES):
            if not getattr(skeleton, name).present:
                continue
            pixels = np.reshape(getattr(skeleton, name).pixels, (21, 2))
            own, other = (
                np.nanmean(np.linalg.norm(pixels - truth["joints_px"][number, which], axis=1))
                for which in (side, 1 - side)
            )
            if other < own:
                frames.append(number)
    return frames


def test_clip_against_its_truth(played, truth):
    answers, transforms = played
    assert len(answers) >= 0.3 * len(truth["joints_px"])
    heard = {key(m.transforms[0].header): m.transforms for m in transforms}
    with_wrists = [s for _, s in answers if wrist_transforms(s)]
    assert len(with_wrists) > 0.5 * len(answers)
    for skeleton in with_wrists:
        assert heard[key(skeleton.header)] == wrist_transforms(skeleton)
    off_box, off_m = joint_errors(answers, truth)
    exchanged = swapped(answers, truth)
    figures = (
        f"{len(answers)} frames answered; median 2D error {np.median(off_box):.4f} of the box, "
        f"root-relative {1000 * np.median(off_m):.1f} mm, sides exchanged in {len(exchanged)}"
    )
    print(figures)
    assert np.median(off_box) <= 0.05 and np.median(off_m) <= 0.020 and not exchanged, figures
