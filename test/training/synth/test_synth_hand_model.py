# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch

from digit_core.hand_size import ADULT_HAND_SIZE_M
from digit_core.skeleton import BONES, JOINT_NAMES
from training.synth import contact
from training.synth.draws import Draws
from training.synth.hand_model import HandModel, Poses
from training.synth.pairs import PairOptions, bent_arms, forearms_cross, orient, random_pairs
from training.synth.pose import blend, poses_from_curl, random_poses
from training.synth.rotations import axis_angle


@pytest.fixture(scope="module")
def model():
    return HandModel()


@pytest.fixture(scope="module")
def shapes(model):
    return model.shapes(torch.zeros(4, 32))


def joint(name):
    return JOINT_NAMES.index(name)


def test_canonical_frame_is_a_right_hand(shapes):
    rest = shapes.joints[0]
    assert rest[0].abs().max() < 1e-6
    assert rest[joint("middle_1"), 1] > 0.06 and abs(rest[joint("middle_1"), 0]) < 1e-3
    assert rest[joint("thumb_4"), 0] > rest[joint("pinky_4"), 0] + 0.08
    assert rest[21, 1] < -0.2  # the elbow is behind the wrist


def test_positive_flexion_closes_the_fingers_to_the_palm(model, shapes):
    poses = Poses.rest(4)
    poses.fingers[:, 1:, :3] = torch.deg2rad(torch.tensor([60.0, 80, 40]))
    bent = model.pose(shapes, poses).joints[0]
    for finger in ("index", "middle", "ring", "pinky"):
        tip, base = bent[joint(f"{finger}_4")], bent[joint(f"{finger}_1")]
        assert tip[2] > base[2] + 0.01  # z is out of the palm
        assert tip.norm() < shapes.joints[0, joint(f"{finger}_4")].norm()


def test_bending_keeps_bone_lengths(model, shapes):
    arms = model.pose(shapes, random_poses(Draws(3), 4))
    for parent, child in BONES:
        before = (shapes.joints[:, child] - shapes.joints[:, parent]).norm(dim=1)
        after = (arms.joints[:, child] - arms.joints[:, parent]).norm(dim=1)
        torch.testing.assert_close(after, before, atol=1e-6, rtol=1e-4)


def test_rest_pose_is_the_identity(model, shapes):
    arms, rest = model.pose(shapes, Poses.rest(4)), model.rest_vertices(shapes)
    torch.testing.assert_close(model.vertices(rest, arms), rest, atol=1e-6, rtol=0)
    torch.testing.assert_close(arms.joints, shapes.joints[:, :21], atol=1e-6, rtol=0)


def test_skin_follows_its_bones(model, shapes):
    """A fingertip's skin moves with the tip, and the forearm's does not."""
    poses = Poses.rest(4)
    poses.fingers[:, 2, 0] = 1.2
    arms, rest = model.pose(shapes, poses), model.rest_vertices(shapes)
    moved = (model.vertices(rest, arms) - rest).norm(dim=2)[0]
    tip = (rest[0] - shapes.joints[0, joint("middle_4")]).norm(dim=1).argmin()
    forearm = (rest[0] - 0.5 * shapes.joints[0, 21]).norm(dim=1).argmin()
    travelled = (arms.joints[0, joint("middle_4")] - shapes.joints[0, joint("middle_4")]).norm()
    assert moved[tip] == pytest.approx(float(travelled), rel=0.15) and moved[forearm] < 1e-5


def test_sizes_span_people(model):
    sizes = model.random_shapes(Draws(0), 400, range(400)).size_m
    assert 0.12 < sizes.min() < 0.16 and 0.2 < sizes.max() < 0.27
    assert float(sizes.median()) == pytest.approx(ADULT_HAND_SIZE_M, abs=0.012)


def test_mirroring_is_the_other_hand(model, shapes):
    arms = model.pose(shapes, random_poses(Draws(1), 4))
    rest = model.rest_vertices(shapes)
    flip = torch.tensor([-1.0, 1, 1])
    torch.testing.assert_close(arms.mirrored().mirrored().bones, arms.bones)
    torch.testing.assert_close(
        model.vertices(rest, arms.mirrored()), model.vertices(rest, arms) * flip
    )


def test_orient_lays_the_forearm(model, shapes):
    arms, _ = bent_arms(Draws(5), model, shapes)
    forearm = torch.tensor([[0.3, 0.8, -0.5]]).expand(4, 3)
    palm = torch.tensor([[-1.0, 0.2, 0.1]]).expand(4, 3)
    turned = arms.transformed(orient(arms, forearm, palm), torch.zeros(4, 3))
    along = -turned.elbow / turned.elbow.norm(dim=1, keepdim=True)
    torch.testing.assert_close(along, torch.nn.functional.normalize(forearm, dim=1))


def test_bent_hands_do_not_cut_themselves(model):
    shapes = model.random_shapes(Draws(2), 64, range(360))
    arms, _ = bent_arms(Draws(3), model, shapes)
    assert contact.self_penetration(arms.joints, shapes.size_m).max() < 0.0056
    poses = Poses.rest(64)
    poses.fingers[:, 1, 3] = math.radians(40)  # the index finger across its neighbour
    crossed = model.pose(shapes, poses)
    assert contact.self_penetration(crossed.joints, shapes.size_m).min() > 0.0055


@pytest.mark.parametrize(
    ("options", "nearest_m", "deepest_m"),
    [
        (PairOptions(0.0, 0.0, 0.0), 1.0, 0.0),
        (PairOptions(0.0, 1.0, 0.0), 0.08, 0.0051),
        (PairOptions(0.0, 0.0, 1.0), 0.015, 0.0056),
    ],
    ids=["apart", "touching", "clasped"],
)
def test_pairs_keep_to_their_kind(model, options, nearest_m, deepest_m):
    pairs = random_pairs(Draws(7), model, 24, options)
    right, left = pairs.arms[:, 0], pairs.arms[:, 1]
    size = pairs.shapes.size_m
    overlap = contact.overlaps(right.joints, size, left.joints, size).amax((1, 2))
    assert overlap.max() < deepest_m and overlap.min() > -nearest_m
    assert pairs.present.all() and bool(pairs.interacting.all()) == (deepest_m > 0)
    if deepest_m > 0:
        assert not forearms_cross(right, left).any()


def test_shares_of_pairs_are_those_asked_for(model):
    pairs = random_pairs(Draws(1), model, 256, PairOptions(0.5, 0.5, 0.0))
    single = ~pairs.present.all(1)
    assert 0.4 < single.float().mean() < 0.6 and pairs.present.any(1).all()
    assert not pairs.interacting[single].any()
    assert 0.35 < pairs.interacting[~single].float().mean() < 0.65


def test_the_same_seed_gives_the_same_hands(model):
    a, b, c = (random_pairs(Draws(s), model, 16, PairOptions()) for s in (4, 4, 5))
    assert torch.equal(a.arms.joints, b.arms.joints)
    assert not torch.equal(a.arms.joints, c.arms.joints)


def test_poses_blend_between_their_ends():
    a, b = (poses_from_curl(torch.full((2, 5), c), Draws(2)) for c in (0.0, 1.0))
    half = blend(a, b, torch.tensor([0.0, 0.5]))
    torch.testing.assert_close(half.fingers[0], a.fingers[0])
    torch.testing.assert_close(half.elbow[1], (a.elbow[1] + b.elbow[1]) / 2)


def test_axis_angle_turns_right_handed():
    turn = axis_angle(torch.tensor([[0.0, 0, 1]]), torch.tensor([math.pi / 2]))
    torch.testing.assert_close(turn[0] @ torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0]))


def test_draws_alike_give_every_row_the_same():
    numbers = Draws(1, alike=True).normal(0.0, 1.0, 5, 3)
    assert (numbers == numbers[:1]).all() and numbers[0].unique().numel() == 3
    assert Draws(1).beta(2.0, 6.0, 20_000).mean() == pytest.approx(0.25, abs=0.01)
