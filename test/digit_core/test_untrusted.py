# SPDX-License-Identifier: Apache-2.0
"""What cannot be seen is not told, or told with less confidence, by the bundled weights."""

import cv2
import numpy as np
import pytest

from benchmarks.clip import CLIP, read_truth
from digit_core import DigitEstimator, boxes, weights
from digit_core.media import Media

pytestmark = pytest.mark.skipif(
    not weights.BUNDLED.is_file(), reason="there are no bundled weights yet"
)
SEEN_WELL = 0.9


@pytest.fixture(scope="module")
def estimator():
    return DigitEstimator.load(device="cpu")


@pytest.fixture(scope="module")
def frame():
    """A frame of the clip with both hands apart, and their boxes."""
    truth, frames = read_truth(CLIP), list(Media.open(CLIP).frames())
    return frames[5], [boxes.tight(truth.joints_2d[5, i]) for i in (0, 1)]


def confidences(hands):
    return [hand.confidence for hand in hands]


def test_hands_in_plain_sight_are_told(estimator, frame):
    told = confidences(estimator(frame[0]))
    assert len(told) == 2 and min(told) > SEEN_WELL


@pytest.mark.parametrize("kind", ["grey", "black", "noise", "painted over"])
def test_no_hand_is_told_where_none_is(estimator, frame, kind):
    picture, places = frame
    random = np.random.default_rng(0)
    pictures = {
        "grey": np.full_like(picture, 110),
        "black": np.zeros_like(picture),
        "noise": random.integers(0, 256, picture.shape, dtype=np.uint8),
        "painted over": picture.copy(),
    }
    for x, y, w, h in (place.astype(int).tolist() for place in places):
        corners = (x - 30, y - 30), (x + w + 30, y + h + 30)
        cv2.rectangle(pictures["painted over"], *corners, (120, 110, 100), cv2.FILLED)
    assert confidences(estimator(pictures[kind])) == []


def test_blur_takes_confidence_away(estimator, frame):
    told = [confidences(estimator(cv2.GaussianBlur(frame[0], (0, 0), s))) for s in (0.1, 8, 24)]
    assert sum(told[0]) > sum(told[1]) and told[2] == []
    sharp, soft = (estimator(cv2.GaussianBlur(frame[0], (0, 0), s)).right for s in (0.1, 4))
    assert np.median(soft.joint_sigma_px) > np.median(sharp.joint_sigma_px)


def test_a_hand_cut_to_its_fingertips_is_not_told_for_sure(estimator, frame):
    picture, (place, _) = frame
    _, y, _, h = place.astype(int).tolist()
    told = [confidences(estimator(picture[: y + round(share * h)])) for share in (0.75, 0.25)]
    assert max(told[1], default=0.0) < SEEN_WELL
    assert sum(told[1]) < sum(told[0])


@pytest.mark.parametrize("tracked", [False, True])
def test_two_boxes_on_one_hand_are_one_hand(estimator, frame, tracked):
    picture, (place, _) = frame
    twice = [place, place + [5.0, 4.0, 0.0, 0.0]]
    if tracked:
        hands = estimator.tracker()(picture, None, 0.0, twice)
    else:
        hands = estimator(picture, boxes=twice)
    assert hands.right is not None and hands.left is None
