# SPDX-License-Identifier: Apache-2.0
"""What the robot hand is told, without ROS and without a solver."""

import numpy as np
import pytest

from digit_ros.retarget.follower import Follower


@pytest.fixture
def follower():
    return Follower(["a", "b"], np.array([0.0, -1.0]), np.array([1.5, 1.0]))


def test_nothing_before_it_is_engaged_and_has_seen_a_hand(follower):
    assert follower.step(0.02, 3.0, False) is None
    follower.engage(10.0)
    assert follower.step(0.02, 3.0, False) is None


def test_speed_is_limited_and_the_goal_is_reached(follower):
    follower.engage(10.0)
    follower.aim([1.0, -0.5], 10.0)
    steps = np.array([follower.step(0.02, 2.0, False) for _ in range(40)])
    assert np.abs(np.diff(steps, axis=0)).max() <= 0.04 + 1e-9
    assert np.allclose(steps[0], (0.04, -0.04)) and np.allclose(steps[-1], (1.0, -0.5))


def test_it_starts_where_the_robot_hand_is_and_stays_within_its_limits(follower):
    follower.measure(["elbow", "b", "a"], [7.0, 0.8, 0.3])
    follower.engage(10.0)
    follower.aim([9.0, 9.0], 10.0)
    assert np.allclose(follower.step(0.01, 1.0, False), (0.31, 0.81))
    assert np.allclose(follower.step(100.0, 1.0, False), (1.5, 1.0))


def test_holding_moves_nothing_and_bad_answers_are_not_followed(follower):
    follower.engage(10.0)
    follower.aim([1.0, 1.0], 10.0)
    before = follower.step(0.1, 1.0, False)
    assert np.array_equal(follower.step(0.1, 1.0, True), before)
    follower.aim([np.nan, 0.0], 11.0)
    follower.aim([0.5], 11.0)
    assert follower.lost_s(11.0) == pytest.approx(1.0)
    assert np.allclose(follower.step(0.1, 1.0, False), (0.2, 0.2))
