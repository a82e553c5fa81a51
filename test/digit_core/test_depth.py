# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digit_core.camera import Camera
from digit_core.depth import (
    BETWEEN_HANDS_SIGMA_M,
    RootDepth,
    metres_per_pixel,
    reconcile,
    root_depth,
)
from digit_core.hand_size import ADULT_HAND_SIZE_M, HandScale, chain_length
from digit_core.length import solve_length

CAMERA = Camera(600.0, 610.0, 321.0, 238.0, distortion=(0.05, -0.02, 0.001, -0.001, 0.0))
TURNS = [(0, 0, 0), (40, 0, 0), (-30, 20, 0), (0, 60, 90), (30, -30, 200), (0, 0, 123)]


def measured(hand: np.ndarray) -> tuple[np.ndarray, np.ndarray, HandScale]:
    size = float(chain_length(hand))
    depth = hand[:, 2] - hand[0, 2]
    return CAMERA.project(hand), depth, HandScale(size, 0.003, size)


def test_chain_runs_wrist_to_middle_tip_along_the_bones():
    hand = np.zeros((21, 3))
    hand[9:13, 1] = 0.09, 0.13, 0.155, 0.175
    hand[12, 2] = 0.02  # the last bone turns away: along the bones counts, not straight
    assert chain_length(hand) == pytest.approx(0.155 + math.hypot(0.02, 0.02))


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("at", [(0, 0.05, 0.6), (-0.2, 0.1, 0.35), (0.5, -0.3, 2.5)])
def test_exact_hands_come_back_exactly(made, turn, at):
    hand = made.placed_hand("left", at, turn)
    joints, depth, scale = measured(hand)
    root = root_depth(CAMERA, joints, depth, scale, 0.5)
    assert abs(root.depth_m - hand[0, 2]) < 1e-4
    points = (root.depth_m + depth)[:, None] * CAMERA.unproject(joints)
    assert np.abs(points - hand).max() < 1e-4


def test_a_hand_twice_as_big_is_twice_as_far(made):
    hand = made.placed_hand(at=(0.02, 0.05, 0.5))
    joints, depth, scale = measured(hand)
    doubled = HandScale(2 * scale.size_m, 0.003, scale.size_m)
    root = root_depth(CAMERA, joints, depth * doubled.depth_factor, doubled)
    assert root.depth_m == pytest.approx(1.0, abs=1e-4)


def noisy_depths(hand: np.ndarray, spread_m: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    """Errors and told deviations of 300 measurements with noise in pixels and depths."""
    rng = np.random.default_rng(3)
    joints, depth, scale = measured(hand)
    scale = HandScale(scale.size_m, 0.0, scale.size_m)
    roots = []
    for _ in range(300):
        noise = rng.normal(0, spread_m, 21)
        noise[0] = 0
        pixels = joints + rng.normal(0, 1.5, (21, 2))
        roots.append(root_depth(CAMERA, pixels, depth + noise, scale, 1.5))
    told = np.array([(root.depth_m, root.sigma_m) for root in roots])
    return told[:, 0] - hand[0, 2], told[:, 1]


@pytest.mark.parametrize("turn", TURNS)
def test_noise_stays_bounded_and_is_told(made, turn):
    errors, sigmas = noisy_depths(made.placed_hand("right", (0.05, 0.0, 0.6), turn))
    assert abs(np.median(errors)) < 0.08
    # The told deviation is of the right order: neither ten times off nor a constant.
    assert 0.4 < np.std(errors) / np.median(sigmas) < 2.0


@pytest.mark.parametrize("tilt", [-50, 60, 85])
def test_a_hand_that_points_at_the_camera_keeps_a_sane_depth(made, tilt):
    errors, sigmas = noisy_depths(made.placed_hand("right", (0.05, 0.0, 0.6), (tilt, 0, 0)))
    # The chain alone gives 0.1 m, 3 m or no answer at all.
    assert np.percentile(np.abs(errors), 95) < 0.25
    assert np.median(np.abs(errors)) < 2 * np.median(sigmas)
    flat = noisy_depths(made.placed_hand("right", (0.05, 0.0, 0.6)))[1]
    assert np.median(sigmas) > np.median(flat)


def test_depth_does_not_jump_while_a_hand_turns(made):
    depths = []
    for tilt in np.arange(20, 90, 0.5):
        joints, depth, scale = measured(made.placed_hand(turn=(tilt, 0, 0)))
        depths.append(root_depth(CAMERA, joints, depth, scale).depth_m)
    assert np.abs(np.diff(depths)).max() < 0.01


def test_sigma_follows_hand_size_and_pixels(made):
    joints, depth, scale = measured(made.placed_hand())
    exact = HandScale(scale.size_m, 0.0, scale.size_m)
    vague = HandScale(scale.size_m, 0.1 * scale.size_m, scale.size_m)
    sure, by_pixels = (root_depth(CAMERA, joints, depth, exact, px).sigma_m for px in (0.1, 10.0))
    by_size = root_depth(CAMERA, joints, depth, vague, 0.1).sigma_m
    added = math.sqrt(by_size**2 - sure**2)
    assert added == pytest.approx(0.06, rel=0.15)  # ten percent of 0.6 m
    assert by_pixels > 1.5 * sure


def test_depths_longer_than_the_hand_still_give_the_palm_s_answer(made):
    joints, depth, scale = measured(made.placed_hand(turn=(60, 0, 0)))
    chain = [9, 10, 11, 12]
    depth[chain] *= 3
    root = root_depth(CAMERA, joints, depth, scale, 1.0)
    assert 0.4 < root.depth_m < 0.8


def test_no_extent_no_depth():
    joints, depth = np.full((21, 2), 300.0), np.zeros(21)
    assert root_depth(CAMERA, joints, depth, HandScale()) is None
    joints[:, 1] += np.arange(21)
    joints[:] = np.nan
    assert root_depth(CAMERA, joints, depth, HandScale()) is None


vectors = st.lists(
    st.tuples(*[st.floats(-1, 1)] * 6).filter(lambda v: np.linalg.norm(v[:3]) > 0.05),
    min_size=1,
    max_size=4,
)


@settings(max_examples=200, deadline=None)  # the machine may be busy
@given(vectors, st.floats(0.5, 5))
def test_solve_length_finds_a_root_or_says_that_there_is_none(rows, length):
    slope, offset = np.array(rows)[:, :3], np.array(rows)[:, 3:]

    def total(s: float) -> float:
        return np.linalg.norm(s * slope + offset, axis=1).sum()

    s, derivative = solve_length(slope, offset, length)
    if derivative > 1e-3:
        assert total(s) == pytest.approx(length, abs=1e-6)
        assert total(s + 1) > length  # the largest root: beyond it the sum only grows
    else:
        grid = np.linspace(-60, 60, 4001)
        assert min(total(g) for g in grid) > length * 0.9


def test_weak_perspective_scale(made):
    hand = made.flat_hand()
    pixels = 320 + hand[:, :2] * 1500
    scale = metres_per_pixel(pixels, hand[:, 2], float(chain_length(hand)))
    assert scale == pytest.approx(1 / 1500, rel=1e-9)
    assert math.isnan(metres_per_pixel(np.zeros((21, 2)), np.zeros(21), 0.18))


def test_reconcile_is_the_least_squares_solution():
    right, left, difference = RootDepth(0.60, 0.05, 0.0), RootDepth(0.70, 0.02, 0.0), 0.0
    a, b = reconcile(right, left, difference, HandScale())
    # Normal equations of (r-.6)/.05, (l-.7)/.02, (l-r-0)/sigma.
    w = 1 / BETWEEN_HANDS_SIGMA_M**2
    matrix = np.array([[1 / 0.05**2 + w, -w], [-w, 1 / 0.02**2 + w]])
    expected = np.linalg.solve(matrix, [0.60 / 0.05**2, 0.70 / 0.02**2])
    assert [a.depth_m, b.depth_m] == pytest.approx(expected.tolist(), abs=1e-12)
    assert a.sigma_m == pytest.approx(math.sqrt(np.linalg.inv(matrix)[0, 0]))
    assert a.sigma_m < 0.05 and b.sigma_m < 0.02


def test_reconcile_knows_that_both_hands_have_one_size():
    """An error of the hand size moves both; the difference between them then tells little."""
    scale = HandScale(0.18, 0.02, 0.18)
    shared = [RootDepth(0.6, 0.067, 0.6 / 0.18), RootDepth(0.6, 0.067, 0.6 / 0.18)]
    own = [RootDepth(0.6, 0.067, 0.0), RootDepth(0.6, 0.067, 0.0)]
    moved = [reconcile(*pair, 0.1, scale)[1].depth_m - 0.6 for pair in (shared, own)]
    assert 0 < moved[0] < 0.2 * moved[1]


def test_reconcile_without_a_measurement_changes_nothing():
    right, left = RootDepth(0.6, 0.05), RootDepth(0.9, 0.05)
    assert reconcile(right, left, math.nan, HandScale()) == (right, left)


def test_default_size_is_an_adult_s_and_a_stated_one_is_trusted_more():
    assert HandScale.of(None).size_m == ADULT_HAND_SIZE_M
    assert HandScale.of(0.16).sigma_m < HandScale.of(None).sigma_m
    assert HandScale.of(0.16, 0.2).depth_factor == pytest.approx(0.8)
    for size in (0.0, -1.0, 19.0, math.nan):
        with pytest.raises(ValueError, match="hand size"):
            HandScale.of(size)
