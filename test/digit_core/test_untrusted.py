# SPDX-License-Identifier: Apache-2.0
"""What cannot be seen is not told, or told with less confidence, by the bundled weights."""

import cv2
import numpy as np
import pytest

from benchmarks.clip import CLIP, read_truth
from digit_core import DigitEstimator, boxes, weights
from digit_core.media import Media
from digit_core.skeleton import SIDES

pytestmark = pytest.mark.skipif(
    not weights.BUNDLED.is_file(), reason="there are no bundled weights yet"
)
SEEN_WELL = 0.9
#: Hands apart, seen from several sides.
FRAMES = (5, 190)
#: Standard deviations of Gaussian blur, pixels; the hands are 90 to 160 pixels long.
SOFT, STRONG, OUT_OF_FOCUS = 4, 12, 24


@pytest.fixture(scope="module")
def estimator():
    return DigitEstimator.load(device="cpu")


@pytest.fixture(scope="module")
def pictures():
    """The clip's frames, RGB."""
    return list(Media.open(CLIP).frames())


@pytest.fixture(scope="module", params=FRAMES)
def frame(request, pictures):
    """A frame of the clip with both hands apart, and the boxes of right and left."""
    joints = read_truth(CLIP).joints_2d[request.param]
    return pictures[request.param], [boxes.tight(hand) for hand in joints]


def confidences(hands):
    return [hand.confidence for hand in hands]


def spread(hand):
    """Its joints' deviation in the median, as a share of its box."""
    return np.median(hand.joint_sigma_px) / hand.box[2]


def without(picture, place):
    """The picture with what is in and about a box painted over."""
    x, y, w, h = place.astype(int).tolist()
    painted = picture.copy()
    cv2.rectangle(painted, (x - 30, y - 30), (x + w + 30, y + h + 30), (120, 110, 100), cv2.FILLED)
    return painted


def cut(picture, place, edge, share):
    """The picture cut off at an edge, so that so much of a box is left."""
    x, y, w, h = place.astype(int).tolist()
    width, height = round(share * w), round(share * h)
    parts = {
        "bottom": picture[: y + height],
        "top": picture[y + h - height :],
        "right": picture[:, : x + width],
        "left": picture[:, x + w - width :],
    }
    return np.ascontiguousarray(parts[edge])


def test_hands_in_plain_sight_are_told(estimator, frame):
    told = confidences(estimator(frame[0]))
    assert len(told) == 2 and min(told) > SEEN_WELL


@pytest.mark.parametrize("kind", ["grey", "black", "noise", "painted over"])
def test_no_hand_is_told_where_none_is(estimator, frame, kind):
    picture, places = frame
    random = np.random.default_rng(0)
    shown = {
        "grey": np.full_like(picture, 110),
        "black": np.zeros_like(picture),
        "noise": random.integers(0, 256, picture.shape, dtype=np.uint8),
        "painted over": without(without(picture, places[0]), places[1]),
    }
    assert confidences(estimator(shown[kind])) == []


def test_blur_takes_confidence_away(estimator, frame):
    sharp, soft, strong, gone = (
        estimator(cv2.GaussianBlur(frame[0], (0, 0), sigma))
        for sigma in (0.1, SOFT, STRONG, OUT_OF_FOCUS)
    )
    assert sum(confidences(sharp)) > sum(confidences(soft)) > sum(confidences(strong))
    assert confidences(gone) == []
    for hand, blurred in zip(sharp, soft, strict=True):
        assert np.median(blurred.joint_sigma_px) > np.median(hand.joint_sigma_px)


@pytest.mark.parametrize("i", [0, 1], ids=SIDES)
def test_a_hand_cut_by_the_pictures_edge_is_not_told_for_sure(estimator, frame, i):
    picture, places = frame
    alone = without(picture, places[1 - i])
    (whole,) = estimator(alone)
    for edge in ("bottom", "top", "right", "left"):
        for hand in estimator(cut(alone, places[i], edge, 0.5)):
            assert hand.confidence < whole.confidence
            assert hand.joint_confidence.mean() < whole.joint_confidence.mean()
            assert spread(hand) > 1.5 * spread(whole)
        quarter = confidences(estimator(cut(alone, places[i], edge, 0.25)))
        assert max(quarter, default=0.0) < 0.85, edge


@pytest.mark.parametrize("how", ["gone", "out of focus"])
def test_followed_hands_that_cannot_be_seen_any_more_are_not_told(estimator, pictures, how):
    track = estimator.tracker()
    for k in range(5):
        told = confidences(track(pictures[k], None, 0.04 * k))
    assert len(told) == 2
    for k in range(5, 10):
        blurred = cv2.GaussianBlur(pictures[k], (0, 0), OUT_OF_FOCUS)
        picture = np.full_like(blurred, 110) if how == "gone" else blurred
        assert confidences(track(picture, None, 0.04 * k)) == []


@pytest.mark.parametrize("tracked", [False, True])
@pytest.mark.parametrize("side", SIDES)
def test_two_boxes_on_one_hand_are_one_hand(estimator, frame, side, tracked):
    picture, places = frame
    place = places[SIDES.index(side)]
    twice = [place, place + [5.0, 4.0, 0.0, 0.0]]
    if tracked:
        hands = estimator.tracker()(picture, None, 0.0, twice)
    else:
        hands = estimator(picture, boxes=twice)
    (hand,) = hands
    assert hand is getattr(hands, side)
