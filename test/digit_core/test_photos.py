# SPDX-License-Identifier: Apache-2.0
"""Real photos, where they are at hand; and the scoring itself, always."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.no_hands import photographs
from benchmarks.photos import evaluate, print_table
from digit_core import DigitEstimator, TwoHands, weights
from training.default_weights.photo_scores import by_category, score_photo, summary
from training.default_weights.photos import Photo, PhotoHand, read_photos

PHOTOS = Path(__file__).resolve().parents[3] / "shared" / "reference" / "photos"


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="../shared/reference/photos is not there")
@pytest.mark.skipif(not weights.BUNDLED.is_file(), reason="there are no bundled weights yet")
def test_the_bundled_weights_find_hands_in_real_photos():
    table = by_category(evaluate(read_photos([PHOTOS]), DigitEstimator.load(device="cpu")))
    print_table(table)
    assert table["all"]["side_right"] >= 0.7
    assert table["all"]["pck"] >= 0.5


@pytest.fixture
def told(made, camera, estimator_of, blank) -> TwoHands:
    scene = made.Scene(
        camera,
        right=made.placed_hand("right", (-0.18, 0.05, 0.6)),
        left=made.placed_hand("left", (0.18, 0.08, 0.7)),
    )
    return estimator_of(scene)(blank, camera)


def labelled(*hands, shift: float = 0.0) -> Photo:
    """A photo whose labels are these hands, moved by a share of their box's longer side."""
    labels = []
    for hand in hands:
        extent = np.ptp(hand.joints_2d, axis=0).max()
        labels.append(PhotoHand(hand.side, hand.joints_2d + (shift * extent, 0)))
    return Photo(Path("x.jpg"), tuple(labels), "two", "owner/name")


def test_exact_predictions_score_full(told):
    figures = summary(score_photo(labelled(*told), told))
    assert figures["pck"] == figures["side_right"] == figures["hand_right"] == 1
    assert figures["hands"] == 2


@pytest.mark.parametrize("shift, pck", [(0.19, 1.0), (0.21, 0.0)])
def test_the_limit_is_a_fifth_of_the_longer_side(told, shift, pck):
    assert summary(score_photo(labelled(*told, shift=shift), told))["pck"] == pck


def test_a_missed_hand_counts_21_wrong_joints(told):
    figures = summary(score_photo(labelled(*told), TwoHands(told.right, None, told.segmentation)))
    assert figures["pck"] == 0.5 and figures["found"] == 0.5 and figures["side_right"] == 0.5
    assert figures["side_right_of_found"] == 1.0


def test_a_hand_of_the_wrong_side_is_found_but_its_side_is_wrong(told):
    wrong = TwoHands(None, replace(told.right, side="left"), told.segmentation)
    figures = summary(score_photo(labelled(told.right), wrong))
    assert figures["pck"] == 1.0 and figures["pck_with_side"] == 0.0
    assert figures["side_right"] == 0.0 and figures["hand_right"] == 0.0


def test_one_prediction_serves_one_label(told):
    photo = labelled(told.right, told.right)
    scores = score_photo(photo, TwoHands(told.right, None, told.segmentation))
    assert sorted(s.found for s in scores) == [False, True]


def test_nan_joints_are_wrong_ones(told):
    joints = told.right.joints_2d.copy()
    joints[5:10] = np.nan
    seen = TwoHands(replace(told.right, joints_2d=joints), None, told.segmentation)
    (score,) = score_photo(labelled(told.right), seen)
    assert score.within.sum() == 16 and not score.right


def test_hands_that_are_not_there_are_counted(told):
    table = by_category([(replace(labelled(), category="none"), list(told), [])])
    assert table["none"]["too_many"] == 2 and np.isnan(table["none"]["pck"])
    assert table["none"]["none_told"] == 0


def test_both_hands_of_a_picture_are_right_or_not(told):
    photo, one = labelled(*told), TwoHands(told.right, None, told.segmentation)
    table = by_category([(photo, list(h), score_photo(photo, h)) for h in (told, one)])
    assert table["two"]["both_right"] == table["two"]["both_sides"] == 0.5


def test_photographs_without_hands_name_what_is_missing(tmp_path):
    with pytest.raises(ValueError, match=r"astronaut\.png; expected .* requirements/mediapipe"):
        photographs(tmp_path)


@pytest.mark.parametrize("text", ["{", '[{"image": "a.jpg", "category": "x", "hands": [{}]}]'])
def test_labels_that_cannot_be_read_are_one_sentence(tmp_path, text):
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(ValueError, match=r"labels\.json"):
        read_photos([tmp_path])


def test_labels_are_read_as_written(tmp_path):
    hand = {"side": "left", "bbox": [1, 2, 3, 4], "keypoints_2d": [[i, 2 * i] for i in range(21)]}
    entry = {"image": "a.jpg", "width": 9, "height": 9, "category": "single", "hands": [hand]}
    (tmp_path / "labels.json").write_text(json.dumps([entry]))
    (photo,) = read_photos([tmp_path])
    assert photo.path == tmp_path / "a.jpg" and photo.hands[0].side == "left"
    assert photo.hands[0].joints[3].tolist() == [3, 6]
