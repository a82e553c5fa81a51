# SPDX-License-Identifier: Apache-2.0
"""The estimator with networks that paint what a perfect one would answer."""

import numpy as np
import pytest

from digit_core import Camera, DepthSource, Settings
from digit_core.crop import MARGIN
from digit_core.hand_size import chain_length
from digit_core.parts import Part


@pytest.fixture
def apart(made, camera):
    return made.Scene(
        camera,
        right=made.placed_hand("right", (-0.18, 0.05, 0.6), (10, 20, 5)),
        left=made.placed_hand("left", (0.18, 0.08, 0.7), (-15, 0, 10)),
    )


@pytest.fixture
def clasped(made, camera):
    return made.Scene(
        camera,
        right=made.placed_hand("right", (-0.03, 0.05, 0.60)),
        left=made.placed_hand("left", (0.05, 0.04, 0.64)),
    )


def size_of(scene) -> float:
    return float(chain_length(scene.hands["right"]))


def check(hands, scene, pixels=0.05, metres=2e-3):
    for side, joints in scene.hands.items():
        hand = getattr(hands, side)
        assert np.abs(hand.joints_2d - scene.pixels(side)).max() < pixels
        assert np.abs(hand.joints_3d - joints).max() < metres
        assert np.abs(hand.joints_relative - (joints - joints[0])).max() < metres


def test_two_hands_apart_are_two_crops_in_one_batch(apart, estimator_of, camera, blank):
    estimator = estimator_of(apart, hand_size_m=size_of(apart))
    estimator.scale = type(estimator.scale)(size_of(apart), 0.003, size_of(apart))
    hands = estimator(blank, camera)
    check(hands, apart)
    # Hands newly found are looked at twice.
    assert estimator.networks.pose.batches == [2, 2]
    for side in ("right", "left"):
        tight = np.ptp(apart.pixels(side), axis=0).max()
        assert getattr(hands, side).box[2] == pytest.approx(MARGIN * tight, rel=1e-4)


def test_the_second_look_mends_the_detector_s_box(apart, estimator_of, camera, blank):
    estimator = estimator_of(apart)
    real = estimator.networks.detector.paint

    def too_large(side, scores, box_maps):
        real(side, scores, box_maps)
        if side == "right":  # painted first, so that it is the only one yet
            box_maps[2][scores.max(axis=0) > 0] += np.log(1.4)

    estimator.networks.detector.paint = too_large
    hand = estimator(blank, camera).right
    assert estimator.networks.pose.batches == [2, 2]
    tight = np.ptp(apart.pixels("right"), axis=0).max()
    assert hand.box[2] == pytest.approx(MARGIN * tight, rel=1e-4)


def test_a_hand_at_the_picture_s_edge_is_always_looked_at_twice(made, estimator_of, camera, blank):
    hand = made.placed_hand("right", (-0.28, 0.05, 0.6), (10, 20, 5))
    scene = made.Scene(camera, right=hand)
    crop = MARGIN * np.ptp(scene.pixels("right"), axis=0).max()
    middle = (scene.pixels("right").min(axis=0) + scene.pixels("right").max(axis=0)) / 2
    assert 0 < middle[0] < crop / 2
    estimator = estimator_of(scene)
    assert estimator(blank, camera).right is not None
    assert estimator.networks.pose.batches == [1, 1]


def test_hands_together_are_one_crop(clasped, estimator_of, camera, blank):
    estimator = estimator_of(clasped)
    estimator.scale = type(estimator.scale)(size_of(clasped), 0.003, size_of(clasped))
    hands = estimator(blank, camera)
    check(hands, clasped)
    # Each place found on its own, then both together.
    assert estimator.networks.pose.batches == [2, 1]
    assert (hands.right.box == hands.left.box).all()


def test_types_shapes_and_sources(apart, estimator_of, camera, blank):
    hand = estimator_of(apart)(blank, camera).right
    for name, shape in {
        "joints_2d": (21, 2), "joints_3d": (21, 3), "joints_relative": (21, 3),
        "joint_confidence": (21,), "joint_sigma_px": (21,), "box": (4,), "wrist_orientation": (4,),
    }.items():  # fmt: skip
        value = getattr(hand, name)
        assert value.shape == shape and value.dtype == np.float32, name
    assert hand.valid.dtype == bool and hand.valid.all()
    assert hand.depth_source is DepthSource.HAND_SIZE and 0 < hand.depth_sigma < 0.2
    assert hand.side == "right" and 0.99 < hand.confidence <= 1


def test_relative_is_3d_minus_the_wrist(clasped, estimator_of, camera, blank):
    for hand in estimator_of(clasped)(blank, camera):
        assert np.allclose(hand.joints_3d - hand.joints_3d[0], hand.joints_relative, atol=1e-6)
        assert np.abs(camera.project(hand.joints_3d) - hand.joints_2d).max() < 0.01


def test_without_a_camera_there_is_relative_3d_of_the_right_size(apart, estimator_of, blank):
    estimator = estimator_of(apart)
    hand = estimator(blank).right
    assert hand.joints_3d is None and hand.depth_source is DepthSource.NONE
    assert np.isnan(hand.depth_sigma)
    assert chain_length(hand.joints_relative) == pytest.approx(estimator.scale.size_m, rel=1e-5)
    truth = apart.hands["right"] - apart.hands["right"][0]
    assert np.abs(hand.joints_relative - truth).max() < 0.03
    assert np.isfinite(hand.wrist_orientation).all()


def test_absent_is_none(made, estimator_of, camera, blank):
    hands = estimator_of(made.Scene(camera))(blank, camera)
    assert hands.right is None and hands.left is None and list(hands) == []
    assert hands.segmentation.shape == (480, 640) and hands.segmentation.max() == 0


def test_one_hand_leaves_the_other_none(apart, estimator_of, camera, blank):
    apart.presence["left"] = -3.0
    hands = estimator_of(apart)(blank, camera)
    assert hands.right is not None and hands.left is None
    assert set(np.unique(hands.segmentation)) == {0, Part.PALM}


def test_diffuse_joints_are_nan_with_their_flag_false(apart, estimator_of, camera, blank):
    estimator = estimator_of(apart, Settings(min_joint_confidence=0.9999999))
    hand = estimator(blank, camera).right
    bad = ~hand.valid
    assert bad.sum() == 20 and hand.valid[0]  # everything hangs on the wrist
    for name in ("joints_2d", "joints_3d", "joints_relative"):
        assert (np.isnan(getattr(hand, name)).any(axis=1) == bad).all(), name
    assert np.isfinite(hand.joint_confidence).all() and np.isfinite(hand.joint_sigma_px).all()


def test_sigma_is_in_image_pixels(apart, estimator_of, camera, blank):
    apart.sigma_cells = 2.0
    hand = estimator_of(apart)(blank, camera).right
    cell = hand.box[2] / 64
    assert np.allclose(hand.joint_sigma_px, 2 * cell, rtol=0.1)


def test_segmentation_lies_on_the_hands_with_their_sides(apart, estimator_of, camera, blank):
    labels = estimator_of(apart)(blank, camera).segmentation
    assert labels.dtype == np.uint8
    for side, palm in (("right", 9), ("left", 25)):
        rows, columns = (labels == palm).nonzero()
        low, high = apart.pixels(side).min(axis=0), apart.pixels(side).max(axis=0)
        assert np.abs(np.array([columns.min(), rows.min()]) - low).max() < 3
        assert np.abs(np.array([columns.max(), rows.max()]) - high).max() < 3.5


def test_segmentation_is_painted_once_and_only_when_asked(apart, estimator_of, camera, blank):
    hands = estimator_of(apart)(blank, camera)
    assert callable(hands._segmentation)
    assert hands.segmentation is hands.segmentation


def test_mirrored_images_keep_the_person_s_sides(apart, estimator_of, camera, blank):
    """The scene is what a camera sees; the image given is its flip."""
    plain = estimator_of(apart)(blank, camera)
    mirrored = estimator_of(apart, Settings(mirrored=True))(blank, camera.mirrored())
    for side in ("right", "left"):
        a, b = getattr(plain, side), getattr(mirrored, side)
        assert np.allclose(a.joints_2d * (-1, 1) + (639, 0), b.joints_2d, atol=1e-3)
        assert np.allclose(a.joints_3d, b.joints_3d, atol=1e-5)
        assert b.box[0] == pytest.approx(639 - a.box[0] - a.box[2], abs=1e-3)
    assert (plain.segmentation[:, ::-1] == mirrored.segmentation).all()


def test_boxes_given_replace_the_detector(apart, estimator_of, camera, blank):
    estimator = estimator_of(apart)
    given = []
    for side in ("left", "right"):
        low, high = apart.pixels(side).min(axis=0), apart.pixels(side).max(axis=0)
        given.append(np.concatenate([low, high - low]))
    hands = estimator(blank, camera, boxes=given)
    assert hands.right is not None and hands.left is not None
    assert estimator.networks.detector.calls == 0
    nothing = estimator(blank, camera, boxes=[])
    assert list(nothing) == [] and "total" in nothing.timings_ms


def test_two_hands_depths_are_reconciled_by_the_measured_difference(
    clasped, estimator_of, camera, blank
):
    """A wrong size of one hand alone shows in the difference; the network's own corrects it."""
    clasped.hands["left"] = clasped.hands["left"][0] + 1.2 * (
        clasped.hands["left"] - clasped.hands["left"][0]
    )
    estimator = estimator_of(clasped, hand_size_m=size_of(clasped))
    together = estimator(blank, camera)
    estimator.networks.pose.answer = without_difference(estimator.networks.pose.answer)
    alone = estimator(blank, camera)

    def difference(hands) -> float:
        return float(hands.left.joints_3d[0, 2] - hands.right.joints_3d[0, 2])

    truth = float(clasped.hands["left"][0, 2] - clasped.hands["right"][0, 2])
    assert abs(difference(together) - truth) < 0.7 * abs(difference(alone) - truth)


def without_difference(answer):
    def changed(crop):
        heat, joints, root, logits, parts = answer(crop)
        return heat, joints, root * 0, logits, parts

    return changed


def test_stateless(apart, made, estimator_of, camera, blank):
    estimator = estimator_of(apart)
    first = estimator(blank, camera)
    apart.hands = {}
    assert list(estimator(blank, camera)) == []
    apart.hands = {"right": made.placed_hand("right", (-0.18, 0.05, 0.6), (10, 20, 5))}
    again = estimator(blank, camera)
    assert np.allclose(first.right.joints_2d, again.right.joints_2d, atol=1e-3)


@pytest.mark.parametrize(
    "image, sentence",
    [
        (np.zeros((10, 10, 3), np.float32), "uint8.*float32"),
        (np.zeros((10, 10), np.uint8), r"\(height, width, 3\)"),
        (np.zeros((10, 10, 4), np.uint8), r"\(10, 10, 4\)"),
        (np.zeros((0, 10, 3), np.uint8), "empty"),
        (np.zeros((10, 0, 3), np.uint8), "empty"),
        ([[1, 2, 3]], "list"),
        (None, "NoneType"),
    ],
)
def test_images_that_cannot_be_used_are_one_sentence(apart, estimator_of, image, sentence):
    with pytest.raises(ValueError, match=sentence):
        estimator_of(apart)(image)


def test_a_camera_of_another_size_is_refused(apart, estimator_of, blank):
    with pytest.raises(ValueError, match="1280x720, got 640x480"):
        estimator_of(apart)(blank, Camera.from_hfov(60, 1280, 720))


def test_non_contiguous_images(apart, estimator_of, camera, blank):
    estimator = estimator_of(apart)
    wide = np.zeros((480, 1280, 6), np.uint8)
    for image in (wide[:, ::2, ::2], blank[::-1, ::-1], np.asfortranarray(blank)):
        assert estimator(image, camera).right is not None


def test_timings_name_the_stages(apart, estimator_of, camera, blank):
    timings = estimator_of(apart)(blank, camera).timings_ms
    assert {"detect", "crop", "network", "decode", "lift", "total"} <= set(timings)
    assert timings["total"] >= timings["network"] > 0
