# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest
import torch

from digit_core import boxes
from digit_core.crop import MARGIN, Crop
from digit_core.decode import Calibration, Reading
from digit_core.pair import Candidate, Look, are_together, coincident, plan, resolve

ON = {"right": 0.5, "left": 0.5}


def hand_at(x: float, y: float = 100.0, size: float = 100.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.uniform(0, size, (21, 2)) + (x, y)


def reading(right_logit: float, left_logit: float, right=None, left=None) -> Reading:
    nowhere = hand_at(900)
    joints = np.stack(
        [nowhere if right is None else right, nowhere + 300 if left is None else left]
    )
    return Reading(
        crop=Crop(0, 0, 100),
        joints_2d=joints,
        depth_m=np.zeros((2, 21)),
        sigma_px=np.ones((2, 21)),
        joint_confidence=np.ones((2, 21)),
        presence_logit=np.array([right_logit, left_logit]),
        left_minus_right_m=0.0,
        part_logits=torch.zeros(33, 128, 128),
    )


def look(side_logit: float, side: str | None = None) -> Look:
    return Look(Crop(0, 0, 100), (Candidate(np.array([0, 0, 80, 80.0]), side_logit, side),))


BOTH = Look(
    Crop(0, 0, 100), (Candidate(np.zeros(4), 4, "right"), Candidate(np.zeros(4), -4, "left"))
)


def box(x: float, size: float = 100.0) -> np.ndarray:
    return np.array([x, 0, size, size])


def test_hands_far_apart_get_a_crop_each():
    looks = plan([Candidate(box(0)), Candidate(box(400))])
    assert [k.crop.side for k in looks] == [140, 140]
    assert [k.crop.center_x for k in looks] == [50, 450]


def test_hands_together_get_one_crop_around_both():
    (one,) = plan([Candidate(box(0), 4, "right"), Candidate(box(90), -4, "left")])
    assert one.crop.center_x == 95 and one.crop.side == pytest.approx(190 * MARGIN)
    assert len(one.candidates) == 2


def test_places_newly_found_are_looked_at_one_by_one():
    looks = plan([Candidate(box(0)), Candidate(box(90)), Candidate(box(30))])
    assert [k.crop.center_x for k in looks] == [50, 140, 80]


@pytest.mark.parametrize("gap, together", [(5, True), (12, True), (13, False), (60, False)])
def test_together_means_that_one_crop_would_show_the_other_hand(gap, together):
    a, b = box(0), box(100 + gap)
    assert are_together(a, b) is together and are_together(b, a) is together


def test_a_small_hand_beside_a_large_one_s_crop():
    assert are_together(box(0, 400), box(440, 50))  # the large one's crop reaches 450


def test_network_and_memory_decide_the_side_together():
    seen = [(look(3.0), reading(-0.5, 0.4))]  # the network leans left, earlier frames said right
    (s,) = resolve(seen, ON).values()
    assert s.side == "right" and s.channel == 1  # its joints come from where the network saw it
    seen = [(look(0.3), reading(-0.5, 0.4))]
    (s,) = resolve(seen, ON).values()
    assert s.side == "left"


def test_confidence_is_the_network_s_presence():
    (s,) = resolve([(look(5.0), reading(2.0, -3.0))], ON).values()
    assert s.confidence == pytest.approx(1 / (1 + np.exp(-2)))
    assert resolve([(look(9.0), reading(-0.1, -3.0))], ON) == {}
    assert set(resolve([(look(9.0), reading(-0.1, -3.0))], {"right": 0.3, "left": 0.5})) == {
        "right"
    }


def test_both_hands_in_one_crop():
    seen = resolve([(BOTH, reading(3.0, 1.0, hand_at(0), hand_at(150)))], ON)
    assert list(seen) == ["right", "left"]
    assert seen["left"].confidence == pytest.approx(1 / (1 + np.exp(-1)))
    assert (seen["left"].joints_2d == hand_at(150)).all()


def test_a_second_hand_in_a_crop_meant_for_one_is_found():
    seen = resolve([(look(4.0, "right"), reading(3.0, 1.0, hand_at(0), hand_at(80)))], ON)
    assert set(seen) == {"right", "left"}


def test_one_hand_claimed_by_both_channels_is_one():
    joints = hand_at(0)
    seen = resolve([(BOTH, reading(1.0, 0.6, joints, joints + 3))], ON)
    assert set(seen) == {"right"}


def test_palms_together_stay_two_when_the_network_is_sure():
    joints = hand_at(0)
    assert set(resolve([(BOTH, reading(4.0, 4.0, joints, joints + 3))], ON)) == {"right", "left"}


def test_two_crops_on_one_hand_give_one_hand():
    joints = hand_at(0)
    seen = [
        (look(3.0, "right"), reading(3.0, -2.0, right=joints)),
        (look(-1.0, "left"), reading(-1.0, 0.5, left=joints + 4)),
    ]
    assert set(resolve(seen, ON)) == {"right"}
    assert set(resolve(seen[::-1], ON)) == {"right"}  # whatever the order


def test_two_hands_that_look_alike_get_different_sides():
    seen = [
        (look(0.5), reading(2.0, 0.0, right=hand_at(0))),
        (look(0.0), reading(2.0, 1.0, right=hand_at(300))),
    ]
    found = resolve(seen, ON)
    assert set(found) == {"right", "left"}
    assert found["right"].joints_2d[0, 0] < 200 < found["left"].joints_2d[0, 0]


def test_two_people_s_right_hands_are_one_right_hand():
    seen = [
        (look(5.0), reading(5.0, -5.0, right=hand_at(0))),
        (look(3.0), reading(4.0, -5.0, right=hand_at(300))),
    ]
    assert set(resolve(seen, ON)) == {"right"}


def test_of_many_places_the_heaviest_hands_are_taken():
    def place(weight: float) -> Look:
        return Look(Crop(0, 0, 100), (Candidate(np.zeros(4), weight=weight),))

    seen = [
        (place(0.3), reading(4.0, -5.0, right=hand_at(600))),  # somebody behind
        (place(1.0), reading(2.0, -5.0, right=hand_at(0))),
        (place(0.9), reading(-4.0, 3.0, left=hand_at(300))),
        (place(0.8), reading(-4.0, -3.0, left=hand_at(450))),  # no hand
    ]
    found = resolve(seen, ON)
    assert found["right"].joints_2d[0, 0] < 200 < found["left"].joints_2d[0, 0] < 420


def test_a_hand_s_own_crop_comes_before_another_s_edge():
    own, edge = hand_at(300), hand_at(360)
    seen = [
        (look(3.0, "right"), reading(5.0, 5.0, hand_at(0), edge)),
        (look(-1.0, "left"), reading(-3.0, 2.0, left=own)),
    ]
    assert (resolve(seen, ON)["left"].joints_2d == own).all()


def test_answers_that_are_not_numbers_are_no_hands():
    assert resolve([(look(3.0), reading(np.nan, 1.0))], ON) == {}
    assert resolve([(look(3.0), reading(3.0, -1.0, right=np.full((21, 2), np.nan)))], ON) == {}
    assert resolve([], ON) == {}


def test_joints_that_collapse_do_not_shrink_the_next_crop():
    point = np.full((21, 2), 40.0) + hand_at(0, 0, 1)
    (s,) = resolve([(look(3.0), reading(3.0, -3.0, right=point))], ON).values()
    assert s.box[2:].max() == pytest.approx(0.5 * 100 / MARGIN)  # half of what was looked at
    assert np.abs(s.box[:2] + s.box[2:] / 2 - 40.5).max() < 0.6
    (s,) = resolve([(BOTH, reading(3.0, -3.0, right=point))], ON).values()
    assert s.box[2:].max() == pytest.approx(0.2 * 100 / MARGIN)
    (s,) = resolve([(look(3.0), reading(3.0, -3.0, right=hand_at(0)))], ON).values()
    assert (s.box == boxes.tight(hand_at(0))).all()


def test_coincident_is_about_corresponding_joints():
    a = hand_at(0)
    assert coincident(a, a + 5) and not coincident(a, a[::-1]) and not coincident(a, a + 60)


def test_boxes():
    a, b = np.array([0, 0, 4, 2.0]), np.array([2, 1, 4, 2.0])
    assert boxes.overlap_area(a, b) == 2 and boxes.iou(a, b) == pytest.approx(2 / 14)
    assert boxes.overlap_area(a, b + (10, 0, 0, 0)) == 0
    assert boxes.union(a, b).tolist() == [0, 0, 6, 3]
    assert boxes.square(a, 1.5).tolist() == [-1, -2, 6, 6]
    assert boxes.tight(np.array([[1, 5], [np.nan, 0], [4, 2]])).tolist() == [1, 2, 3, 3]
    assert np.isnan(boxes.tight(np.full((2, 2), np.nan))).all()
    # The box of mirrored points is the mirrored box.
    points = np.array([[1.0, 5], [4, 2]])
    mirrored = boxes.tight(points * (-1, 1) + (9, 0))
    assert boxes.mirror(boxes.tight(points), 10).tolist() == mirrored.tolist()


def test_a_blurred_hand_is_believed_less_than_a_sharp_one():
    sharp = replace(reading(6.0, -6.0, hand_at(0)), calibration=Calibration(1, 1, 0.25, 3.0, 3.0))
    blurred = replace(sharp, joint_confidence=np.full((2, 21), 0.1))
    few = {"right": 0.05, "left": 0.05}
    told = [resolve([(look(0.0), r)], few)["right"] for r in (sharp, blurred)]
    assert told[0].confidence > 0.9 and told[1].confidence < 0.2
    assert resolve([(look(0.0), blurred)], ON) == {}
