# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from digit_core.hand_size import ADULT_HAND_SIZE_M, chain_length
from digit_core.skeleton import BONES, JOINT_NAMES
from training.synth import contact
from training.synth.hand_model import HandModel, HandPose, axis_angle
from training.synth.pose import blend, pose_from_curl, random_pose
from training.synth.scene import SceneOptions, bent_arm, orient, random_scene


@pytest.fixture(scope="module")
def model():
    return HandModel()


@pytest.fixture(scope="module")
def shape(model):
    return model.shape(np.zeros(32))


def joint(name):
    return JOINT_NAMES.index(name)


def test_canonical_frame_is_a_right_hand(model, shape):
    rest = shape.joints
    assert np.allclose(rest[0], 0, atol=1e-6)
    assert rest[joint("middle_1"), 1] > 0.06 and abs(rest[joint("middle_1"), 0]) < 1e-3
    assert rest[joint("thumb_4"), 0] > rest[joint("pinky_4"), 0] + 0.08
    assert rest[21, 1] < -0.2  # the elbow is behind the wrist


def test_positive_flexion_closes_the_fingers_to_the_palm(model, shape):
    pose = HandPose()
    pose.fingers[1:, :3] = np.deg2rad([60, 80, 40])
    bent = model.pose(shape, pose).joints
    for finger in ("index", "middle", "ring", "pinky"):
        tip, base = bent[joint(f"{finger}_4")], bent[joint(f"{finger}_1")]
        assert tip[2] > base[2] + 0.01  # z is out of the palm
        assert np.linalg.norm(tip) < np.linalg.norm(shape.joints[joint(f"{finger}_4")])


def test_bending_keeps_bone_lengths(model, shape):
    arm = model.pose(shape, random_pose(np.random.default_rng(3)))
    for parent, child in BONES:
        before = np.linalg.norm(shape.joints[child] - shape.joints[parent])
        assert np.linalg.norm(arm.joints[child] - arm.joints[parent]) == pytest.approx(before)


def test_rest_pose_is_the_identity(model, shape):
    arm = model.pose(shape, HandPose())
    assert np.abs(arm.vertices - shape.vertices).max() < 1e-9
    assert np.abs(arm.joints - shape.joints[:21]).max() < 1e-9


def test_sizes_span_people(model):
    rng = np.random.default_rng(0)
    sizes = [model.random_shape(rng, range(400)).size_m for _ in range(200)]
    assert 0.12 < min(sizes) < 0.16 and 0.2 < max(sizes) < 0.27
    assert np.median(sizes) == pytest.approx(ADULT_HAND_SIZE_M, abs=0.012)
    shape = model.random_shape(rng, range(400))
    assert shape.size_m == pytest.approx(float(chain_length(shape.joints[:21])))


def test_mirroring_twice_is_nothing_and_once_is_the_other_hand(model, shape):
    arm = model.pose(shape, HandPose())
    assert arm.mirrored().is_left and not arm.mirrored().mirrored().is_left
    assert np.array_equal(arm.mirrored().mirrored().joints, arm.joints)
    assert np.allclose(arm.mirrored().joints[:, 0], -arm.joints[:, 0])


def test_orient_lays_the_forearm(model, shape):
    rng = np.random.default_rng(5)
    arm = bent_arm(rng, model, shape)
    forearm, palm = np.array([0.3, 0.8, -0.5]), np.array([-1.0, 0.2, 0.1])
    turned = arm.transformed(orient(arm, forearm, palm), np.zeros(3))
    along = -turned.elbow / np.linalg.norm(turned.elbow)
    assert np.allclose(along, forearm / np.linalg.norm(forearm), atol=1e-9)


def test_push_apart_leaves_little_overlap(model, shape):
    rng = np.random.default_rng(1)
    a, b = bent_arm(rng, model, shape), bent_arm(rng, model, shape).mirrored()
    assert contact.penetration(a.joints, shape.size_m, b.joints, shape.size_m)[0] > 0.0035
    moved = contact.push_apart(a.joints, shape.size_m, b.joints, shape.size_m)
    after, _ = contact.penetration(a.joints, shape.size_m, b.joints + moved, shape.size_m)
    assert after <= 0.0035


def test_a_finger_through_another_is_noticed(model, shape):
    pose = HandPose()
    assert contact.self_penetration(model.pose(shape, pose).joints, shape.size_m) < 0.002
    pose.fingers[1, 3] = np.deg2rad(40)
    assert contact.self_penetration(model.pose(shape, pose).joints, shape.size_m) > 0.0055


def test_scenes_are_deterministic_and_hands_do_not_cut(model):
    options = SceneOptions(single=0.0, interacting=1.0)
    for seed in range(6):
        scene = random_scene(np.random.default_rng(seed), model, options)
        again = random_scene(np.random.default_rng(seed), model, options)
        right, left = scene.arms["right"], scene.arms["left"]
        assert np.array_equal(right.joints, again.arms["right"].joints)
        assert left.is_left and not right.is_left
        size = scene.shape.size_m
        assert contact.penetration(right.joints, size, left.joints, size)[0] < 0.004
        assert scene.focus[2] > 0


def test_poses_blend_between_their_ends():
    rng = np.random.default_rng(2)
    a, b = (pose_from_curl(np.full(5, c), rng) for c in (0.0, 1.0))
    assert np.allclose(blend(a, b, 0.0).fingers, a.fingers)
    assert np.allclose(blend(a, b, 1.0).wrist, b.wrist)
    assert blend(a, b, 0.5).elbow == pytest.approx((a.elbow + b.elbow) / 2)


def test_axis_angle_turns_right_handed():
    assert np.allclose(axis_angle(np.array([0.0, 0, 1]), np.pi / 2) @ [1, 0, 0], [0, 1, 0])
