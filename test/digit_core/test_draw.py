# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest

from digit_core import TwoHands, draw_hands
from digit_core.draw import blend_parts, color_parts
from digit_core.parts import PALETTE


@pytest.fixture
def hands(made, camera, estimator_of, blank):
    scene = made.Scene(
        camera,
        right=made.placed_hand("right", (-0.18, 0.05, 0.6)),
        left=made.placed_hand("left", (0.18, 0.08, 0.7)),
    )
    return estimator_of(scene)(blank, camera)


def test_drawn_on_a_copy_where_the_hands_are(hands, blank):
    before = blank.copy()
    drawn = draw_hands(blank, hands)
    assert (blank == before).all() and drawn.shape == blank.shape and drawn.dtype == np.uint8
    changed = (drawn != blank).any(axis=2)
    for hand in hands:
        for x, y in hand.joints_2d.round().astype(int):
            assert changed[y, x]
    assert not changed[:40].any() and not changed[:, 300:340].any()


def test_right_and_left_look_different(hands, blank):
    as_left = replace(hands.right, side="left")
    empty = np.zeros(blank.shape[:2], np.uint8)
    right = draw_hands(blank, TwoHands(hands.right, None, empty))
    left = draw_hands(blank, TwoHands(None, as_left, empty))
    assert (right != left).any(axis=2).mean() > 0.005
    # Not by colour alone: round joints and square ones, seen above the wrist and its name.
    above = np.s_[: int(hands.right.joints_2d[0, 1]) - 20]
    touched = [(drawn != blank).any(axis=2)[above] for drawn in (right, left)]
    assert (touched[1] & ~touched[0]).sum() > 20 > (touched[0] & ~touched[1]).sum()


def test_parts_are_blended_with_the_palette(blank):
    labels = np.zeros(blank.shape[:2], np.uint8)
    labels[100:120, 200:230] = 12
    canvas = blank.copy()
    blend_parts(canvas, labels, opacity=0.5)
    expected = blank[0, 0] * 0.5 + PALETTE[12] * 0.5
    assert np.abs(canvas[110, 210] - expected).max() <= 1
    assert (canvas[99] == blank[99]).all()
    assert (color_parts(labels)[110, 210] == PALETTE[12]).all()


def test_invalid_joints_are_not_drawn(hands, blank):
    hand = hands.right
    joints = hand.joints_2d.copy()
    joints[1:] = np.nan
    valid = np.zeros(21, bool)
    valid[0] = True
    lone = TwoHands(
        replace(hand, joints_2d=joints, valid=valid), None, np.zeros((480, 640), np.uint8)
    )
    changed = (draw_hands(blank, lone) != blank).any(axis=2)
    tip = hand.joints_2d[12].round().astype(int)
    assert changed.any() and not changed[tip[1], tip[0]]


@pytest.mark.parametrize("shape", [(1, 1), (3, 2000), (2000, 7)])
def test_any_size(hands, shape):
    image = np.zeros((*shape, 3), np.uint8)
    small = TwoHands(hands.right, hands.left, np.ones(shape, np.uint8))
    assert draw_hands(image, small).shape == image.shape
    far = replace(hands.right, joints_2d=hands.right.joints_2d * 1e6)
    assert draw_hands(image, TwoHands(far, None, np.zeros(shape, np.uint8))).shape == image.shape


def test_non_contiguous_images(hands, blank):
    assert draw_hands(blank[:, ::-1], hands).shape == blank.shape


def test_nobody_nothing_drawn(blank):
    def never():
        raise AssertionError("painted for nobody")

    assert (draw_hands(blank, TwoHands(None, None, never)) == blank).all()
