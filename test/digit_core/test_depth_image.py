# SPDX-License-Identifier: Apache-2.0
"""A wrist's depth from depth images: skin to joint, holes, what stands in front, fallback."""

import numpy as np
import pytest

from digit_core.camera import Camera
from digit_core.depth import RootDepth
from digit_core.depth_image import DepthImage, wrist_depth
from digit_core.hand_size import ADULT_HAND_SIZE_M, HandScale
from digit_core.hands import DepthSource
from digit_core.measurement import Measurement
from digit_core.settings import Settings
from digit_core.size_learner import SizeLearner
from digit_core.skeleton import BONES

CAMERA = Camera(600.0, 610.0, 321.0, 238.0, 640, 480)
SHAPE = (480, 640)
SCALE = HandScale.of(None)
#: Radius of the made-up hands' limbs, metres.
FLESH_M = 0.014


def measurement(hand, side="right") -> Measurement:
    """A hand (21, 3) in the camera frame as a perfect network measures it."""
    ones = np.ones(21)
    pixels = CAMERA.project(hand)
    depth = hand[:, 2] - hand[0, 2]
    box = np.array([*pixels.min(0), 100, 100])
    return Measurement(side, 0.9, pixels, depth, ones, ones, ones > 0, box)


def depth_of(*hands, wall_m=2.0) -> np.ndarray:
    """(480, 640) metres: limbs as balls along the bones before a wall."""
    rays = CAMERA.unproject(np.stack(np.meshgrid(np.arange(640), np.arange(480)), -1))
    depth = np.full(SHAPE, wall_m)
    for hand in hands:
        for start, end in BONES:
            for t in np.linspace(0, 1, 9):
                centre = (1 - t) * hand[start] + t * hand[end]
                x, y = CAMERA.project(centre).astype(int)
                reach = int(700 * FLESH_M / centre[2]) + 2
                part = np.s_[max(y - reach, 0) : y + reach, max(x - reach, 0) : x + reach]
                depth[part] = np.minimum(depth[part], _ball(rays[part], centre))
    return depth


def _ball(rays, centre) -> np.ndarray:
    b = rays @ centre
    a = (rays * rays).sum(-1)
    root = b * b - a * (centre @ centre - FLESH_M**2)
    return np.where(root > 0, (b - np.sqrt(np.maximum(root, 0))) / a, np.inf)


def by_size(depth_m=0.6, sigma_m=0.05) -> RootDepth:
    return RootDepth(depth_m, sigma_m, depth_m / ADULT_HAND_SIZE_M)


def told(hand, depth, prior=None, others=(), unit_m=1.0):
    prior = prior or by_size(hand[0, 2] + 0.04)
    image = DepthImage(depth, unit_m)
    return wrist_depth(image, CAMERA, SHAPE, measurement(hand), SCALE, prior, others)


@pytest.mark.parametrize("turn", [(0, 0, 0), (0, 180, 0), (30, 0, 45), (0, 35, 0)])
@pytest.mark.parametrize("at_m", [0.35, 0.6, 1.2])
def test_the_joint_lies_behind_the_skin(made, turn, at_m):
    hand = made.placed_hand("right", (0.02, 0.05, at_m), turn)
    root = told(hand, depth_of(hand))
    assert root.source is DepthSource.DEPTH_IMAGE
    assert abs(root.depth_m - at_m) < 0.012  # the skin itself is 14 mm before the bones
    assert root.sigma_m < 0.04


def test_millimetres_and_another_resolution_are_the_same(made):
    hand = made.placed_hand()
    depth = depth_of(hand)
    millimetres = (1000 * depth).round().astype(np.uint16)
    whole = told(hand, depth).depth_m
    assert told(hand, millimetres, unit_m=0.001).depth_m == pytest.approx(whole, abs=1e-3)
    assert told(hand, depth[::2, ::2]).depth_m == pytest.approx(whole, abs=4e-3)


@pytest.mark.parametrize("hole", [0.0, np.nan, np.inf, -1.0])
def test_holes_do_not_count(made, hole):
    hand = made.placed_hand()
    depth = depth_of(hand)
    whole = told(hand, depth).depth_m
    random = np.random.default_rng(0).random(SHAPE)
    depth[random < 0.4] = hole
    assert told(hand, depth).depth_m == pytest.approx(whole, abs=4e-3)
    assert told(hand, np.full(SHAPE, hole)) is None


def test_the_other_hand_in_front_is_left_out(made):
    hand = made.placed_hand("right", (0.0, 0.05, 0.6))
    front = made.placed_hand("left", (0.03, 0.02, 0.48))
    alone = told(hand, depth_of(hand)).depth_m
    both = told(hand, depth_of(hand, front), others=[measurement(front, "left")])
    assert both.depth_m == pytest.approx(alone, abs=0.01)


def test_a_cup_before_half_of_the_hand_is_outvoted(made):
    hand = made.placed_hand()
    depth = depth_of(hand)
    fingers = CAMERA.project(hand)[[6, 10, 14, 18], 1].max()
    depth[: int(fingers)] = 0.5
    assert abs(told(hand, depth).depth_m - hand[0, 2]) < 0.015


def test_what_is_far_from_the_hands_size_is_not_the_hand(made):
    hand = made.placed_hand()
    assert told(hand, np.full(SHAPE, 2.0)) is None
    assert told(hand, np.full(SHAPE, 0.2)) is None


def test_without_a_prior_the_palms_middle_serves(made):
    hand = made.placed_hand()
    image, seen = DepthImage(depth_of(hand)), measurement(hand)
    root = wrist_depth(image, CAMERA, SHAPE, seen, SCALE, None)
    assert abs(root.depth_m - hand[0, 2]) < 0.012
    empty = DepthImage(np.zeros(SHAPE, np.uint16), 0.001)
    assert wrist_depth(empty, CAMERA, SHAPE, seen, SCALE, None) is None


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_estimator_takes_the_depth_image_and_falls_back(made, estimator_of, mirrored):
    hand = made.placed_hand("right", (-0.1, 0.05, 0.75))
    scene = made.Scene(CAMERA, right=hand)
    estimator, blank = estimator_of(scene), np.zeros((*SHAPE, 3), np.uint8)
    track = estimator.tracker(Settings(smooth=False))
    depth = depth_of(hand)
    seen = track(blank, CAMERA, 0.0, None, lambda: DepthImage(depth)).right
    assert seen.depth_source is DepthSource.DEPTH_IMAGE
    assert abs(seen.joints_3d[0, 2] - 0.75) < 0.015
    fallen = track(blank, CAMERA, 0.03, None, lambda: None).right
    assert fallen.depth_source is DepthSource.HAND_SIZE and fallen.joints_3d is not None
    if mirrored:
        mirror = estimator.tracker(Settings(smooth=False, mirrored=True))
        hidden = mirror(blank, CAMERA, 0.0, None, lambda: DepthImage(depth[:, ::-1]))
        assert hidden.right.depth_source is DepthSource.DEPTH_IMAGE


def test_depth_can_be_left_untold(made, estimator_of):
    scene = made.Scene(CAMERA, right=made.placed_hand())
    track = estimator_of(scene).tracker(Settings(absolute_depth=False))
    hand = track(np.zeros((*SHAPE, 3), np.uint8), CAMERA, 0.0).right
    assert hand.joints_3d is None and hand.depth_source is DepthSource.NONE
    assert np.isfinite(hand.joints_relative).all()


def learn(learner, true_size_m, frames, given=SCALE, noise_m=0.02):
    rng = np.random.default_rng(1)
    for _ in range(frames):
        scale = learner.scale or given
        per_size = 0.6 / true_size_m
        guessed = per_size * scale.size_m + rng.normal(0, noise_m)
        sigma = np.hypot(per_size * scale.sigma_m, noise_m)
        seen = RootDepth(0.6, 0.02, 0.0, DepthSource.DEPTH_IMAGE)
        learner.compare(RootDepth(guessed, sigma, per_size), seen, scale, given)


@pytest.mark.parametrize("size_m", [0.15, 0.187, 0.205])
def test_the_size_is_learned_in_seconds(size_m):
    learner = SizeLearner()
    assert learner.scale is None
    learn(learner, size_m, 200)
    assert learner.scale.size_m == pytest.approx(size_m, abs=0.008)
    assert learner.scale.sigma_m < SCALE.sigma_m and learner.scale.reference_m == SCALE.reference_m


def test_another_person_is_learned_and_another_statement_starts_afresh():
    learner = SizeLearner()
    learn(learner, 0.18, 300)
    learn(learner, 0.20, 1500)
    assert learner.scale.size_m == pytest.approx(0.20, abs=0.008)
    stated = HandScale.of(0.17)
    learn(learner, 0.17, 1, given=stated)
    assert learner.scale is None


def test_one_absurd_depth_changes_nothing():
    learner = SizeLearner()
    learn(learner, 0.187, 200)
    before = learner.scale
    seen = RootDepth(1.5, 0.01, 0.0, DepthSource.DEPTH_IMAGE)
    learner.compare(by_size(), seen, before, SCALE)
    assert learner.scale == before


def test_the_tracker_uses_the_size_that_it_learned(made, estimator_of):
    wrist = np.array([0.0, 0.05, 0.6])
    hand = wrist + 0.85 * made.flat_hand()  # not an adult's
    scene = made.Scene(CAMERA, right=hand)
    track = estimator_of(scene).tracker(Settings(smooth=False))
    blank, image = np.zeros((*SHAPE, 3), np.uint8), DepthImage(depth_of(hand))
    first = track(blank, CAMERA, 0.0).right
    for i in range(1, 120):
        track(blank, CAMERA, i / 30, None, lambda: image)
    last = track(blank, CAMERA, 4.0).right
    assert last.depth_source is DepthSource.HAND_SIZE
    assert abs(last.joints_3d[0, 2] - 0.6) < 0.6 * abs(first.joints_3d[0, 2] - 0.6)
    assert last.depth_sigma < first.depth_sigma
