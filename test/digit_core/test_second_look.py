# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest
import torch

from digit_core.crop import Crop
from digit_core.decode import Reading
from digit_core.pair import Candidate, Look, Sighting
from digit_core.second_look import joined

PLACE = np.array([0.0, 0.0, 100.0, 100.0])


def reading(joints, sigma, presence=(2.0, -3.0)):
    return Reading(
        crop=Crop.around(PLACE),
        joints_2d=np.stack([joints, joints]),
        depth_m=np.full((2, 21), 0.01 * sigma),
        sigma_px=np.full((2, 21), float(sigma)),
        joint_confidence=np.full((2, 21), 1 / sigma),
        presence_logit=np.array(presence),
        left_minus_right_m=0.1,
        part_logits=torch.zeros(33, 2, 2),
    )


def seen(side, first):
    return Sighting(side, 0.9, 0, first, 2.0)


@pytest.fixture
def hand():
    return np.random.default_rng(0).uniform(0, 100, (21, 2))


def look(*sides):
    return Look(Crop.around(PLACE), tuple(Candidate(PLACE, side=side) for side in sides))


def test_joints_are_weighted_by_inverse_variance(hand):
    first, second = reading(hand, 2.0, (4.0, -1.0)), reading(hand + 5, 1.0)
    r = joined({"right": seen("right", first)}, look("right"), second)
    assert r.joints_2d[0] == pytest.approx(hand + 4)  # four fifths of the surer one
    assert r.depth_m[0] == pytest.approx(np.full(21, 0.8 * 0.01 + 0.2 * 0.02))
    assert r.joint_confidence[0] == pytest.approx(np.full(21, 0.8 * 1 + 0.2 * 0.5))
    assert r.sigma_px[0] == pytest.approx(np.full(21, np.sqrt(2 / (1 + 1 / 4))))
    assert r.presence_logit == pytest.approx([3.0, -2.0])
    assert r.left_minus_right_m == 0.1 and r.crop == second.crop
    assert (second.joints_2d[0] == hand + 5).all()  # the reading itself stays


def test_looks_of_one_certainty_do_not_make_it_surer(hand):
    one = reading(hand, 3.0)
    r = joined({"right": seen("right", one)}, look("right"), one)
    assert r.sigma_px == pytest.approx(one.sigma_px)


def test_of_two_places_the_second_one_s_stands(hand):
    second = reading(hand + 60, 1.0)
    r = joined({"right": seen("right", reading(hand, 0.1, (-2.0, 0.0)))}, look("right"), second)
    assert (r.joints_2d == second.joints_2d).all() and (r.sigma_px == second.sigma_px).all()
    assert r.presence_logit == pytest.approx([0.0, -1.5])


def test_in_a_crop_of_both_each_hand_is_joined_with_its_own_first_look(hand):
    right, left = reading(hand + 2, 1.0), reading(hand - 2, 1.0)
    first = {"right": seen("right", right), "left": replace(seen("left", left), channel=1)}
    r = joined(first, look("right", "left"), reading(hand, 1.0))
    assert r.joints_2d[0] == pytest.approx(hand + 1)
    assert r.joints_2d[1] == pytest.approx(hand - 1)


def test_a_hand_not_seen_before_is_the_second_look_s_alone(hand):
    second = reading(hand + 5, 1.0)
    r = joined({"right": seen("right", reading(hand, 1.0))}, look("right", "left"), second)
    assert r.joints_2d[0] == pytest.approx(hand + 2.5)
    assert (r.joints_2d[1] == second.joints_2d[1]).all()
