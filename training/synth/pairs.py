# SPDX-License-Identifier: Apache-2.0
"""The hands of a person, one or two, apart, touching or clasped: in the person's own frame.

The person's frame: x to their right, y up, z to their back; metres.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from training.synth import contact
from training.synth.clasp import tighten
from training.synth.draws import Draws
from training.synth.hand_model import Arms, HandModel, Poses, Shapes
from training.synth.pinch import pinched
from training.synth.pose import random_poses
from training.synth.rotations import apply, axis_angle, frame, unit

#: Baked identities that networks may be trained on, and those kept aside for tests and clips.
TRAINED_IDENTITIES, TEST_IDENTITIES = range(0, 360), range(360, 400)
SELF_PENETRATION_M = 0.0055
_CLASP_PENETRATION_M, _CLASP_SELF_M = 0.0055, 0.0075
_FARTHEST_PUSH_M = 0.09
_LEFTWARD = (-1.0, 0.0, 0.0)
_TIPS = (4, 8, 12, 16, 20)


@dataclass(frozen=True)
class PairOptions:
    """Shares of what is drawn.

    Attributes:
        single: share with one hand.
        touching, clasped: shares of the others whose hands touch or nearly do, or hold each other;
            the rest are apart.
        identities: baked identities to use, so that tests can keep some aside.
    """

    single: float = 0.35
    touching: float = 0.4
    clasped: float = 0.25
    identities: range = TRAINED_IDENTITIES


@dataclass
class Pairs:
    """n people's hands, right first.

    Attributes:
        shapes: n identities.
        arms: of shape (n, 2, ...); an absent hand's arm is somewhere.
        present: (n, 2) bool.
        interacting: (n,) bool, both are there and touch or nearly do.
    """

    shapes: Shapes
    arms: Arms
    present: Tensor
    interacting: Tensor

    def __getitem__(self, index) -> "Pairs":
        """Some of them."""
        return Pairs(
            self.shapes[index], self.arms[index], self.present[index], self.interacting[index]
        )

    def __len__(self) -> int:
        return len(self.present)


def random_pairs(draws: Draws, model: HandModel, n: int, options: PairOptions) -> Pairs:
    """Hands that cut neither themselves nor each other by more than soft skin does."""
    single = draws.chance(options.single, n)
    kind = draws.kinds(
        (1 - options.touching - options.clasped, options.touching, options.clasped), n
    )
    counts = [int((kind == i).sum()) for i in range(3)]
    makers = (_apart, _touching, _clasped)
    made = [
        _enough(partial(make, draws, model, identities=options.identities), count)
        for make, count in zip(makers, counts, strict=True)
        if count
    ]
    order = torch.argsort(torch.argsort(kind, stable=True))
    pairs = _join(made)[order]
    keep = draws.integers(2, n)
    pairs.present[single, 1 - keep[single]] = False
    pairs.interacting &= ~single
    return pairs


#: Share of hands whose thumb touches another fingertip.
_PINCHING = 0.22


def bent_arms(draws: Draws, model: HandModel, shapes: Shapes) -> tuple[Arms, Poses]:
    """Right arms in random poses that do not cut themselves, in the canonical frame."""
    poses = random_poses(draws, len(shapes.joints))
    pinching = draws.chance(_PINCHING, len(shapes.joints)).nonzero()[:, 0]
    if len(pinching):
        some = Poses(*(getattr(poses, name)[pinching] for name in vars(poses)))
        some = pinched(draws, model, shapes[pinching], some)
        for name in vars(poses):
            getattr(poses, name)[pinching] = getattr(some, name)
    arms = model.pose(shapes, poses)
    for _ in range(12):
        bad = contact.self_penetration(arms.joints, shapes.size_m) > SELF_PENETRATION_M
        if not bool(bad.any()):
            break
        again = random_poses(draws, int(bad.sum()))
        for name in vars(poses):
            getattr(poses, name)[bad] = getattr(again, name)
        arms = model.pose(shapes, poses)
    return arms, poses


def orient(arms: Arms, forearm: Tensor, palm: Tensor) -> Tensor:
    """Rotations (n, 3, 3) that lay the forearms (elbow to wrist) along `forearm` (n, 3) and turn
    the palms' normals as near to `palm` (n, 3) as that allows."""
    source = frame(unit(-arms.elbow), arms.elbow.new_tensor([0.0, 0.0, 1.0]).expand_as(arms.elbow))
    return frame(unit(forearm), palm) @ source.transpose(-1, -2)


def _held(draws: Draws, arms: Arms, palm: Tensor | None) -> Arms:
    """Right arms about the origin, held as people hold theirs; `palm` (n, 3) or free."""
    n = len(arms.joints)
    low = torch.tensor([-0.9, -0.6, -1.0], device=draws.device)
    high = torch.tensor([0.5, 1.2, 0.2], device=draws.device)
    forearm = unit(draws.uniform(low, high, n, 3))
    leftward = torch.tensor(_LEFTWARD, device=draws.device).expand(n, 3)
    neutral = leftward - (leftward * forearm).sum(1, keepdim=True) * forearm
    free = apply(axis_angle(forearm, draws.uniform(-2.0, 2.0, n)), neutral[:, None])[:, 0]
    facing = leftward + draws.normal(0.0, 0.45, n, 3)
    if palm is None:
        palm = torch.where(draws.chance(0.45, n)[:, None], facing, free)
    return arms.transformed(orient(arms, forearm, palm), torch.zeros(n, 3, device=draws.device))


def _two(draws: Draws, model: HandModel, n: int, identities: range) -> tuple[Shapes, Arms, Arms]:
    """n people's right and left arms, each about the origin."""
    shapes = model.random_shapes(draws, n, identities)
    right = _held(draws, bent_arms(draws, model, shapes)[0], None)
    left = _held(draws, bent_arms(draws, model, shapes)[0], None).mirrored()
    return shapes, right, left


def _apart(draws: Draws, model: HandModel, n: int, identities: range) -> tuple[Pairs, Tensor]:
    shapes, right, left = _two(draws, model, n, identities)
    side = torch.where(draws.chance(0.92, n), 1.0, -1.0)
    gap = torch.stack(
        [
            side * draws.uniform(0.16, 0.6, n),
            draws.normal(0.0, 0.12, n),
            draws.normal(0.0, 0.1, n),
        ],
        1,
    )
    left = left.moved(right.joints.mean(1) - left.joints.mean(1) - gap)
    apart = (
        contact.overlaps(right.joints, shapes.size_m, left.joints, shapes.size_m).amax((1, 2)) < 0
    )
    return _pairs(shapes, right, left, interacting=False), apart


def _touching(draws: Draws, model: HandModel, n: int, identities: range) -> tuple[Pairs, Tensor]:
    shapes, right, left = _two(draws, model, n, identities)
    rows = torch.arange(n, device=draws.device)
    a, b = (
        right.joints[rows, _contact_joints(draws, n)],
        left.joints[rows, _contact_joints(draws, n)],
    )
    left = left.moved(a - b + draws.normal(0.0, 0.012, n, 3))
    outward = unit(left.joints.mean(1) - right.joints.mean(1))
    near = draws.chance(0.25, n) * draws.uniform(0.01, 0.07, n)  # near, not touching
    left = left.moved(outward * near[:, None])
    push, depth = contact.push_apart(right.joints, shapes.size_m, left.joints, shapes.size_m)
    left = left.moved(push)
    fine = (depth < 0.005) & (push.norm(dim=1) < _FARTHEST_PUSH_M) & ~forearms_cross(right, left)
    return _pairs(shapes, right, left, interacting=True), fine


def _clasped(draws: Draws, model: HandModel, n: int, identities: range) -> tuple[Pairs, Tensor]:
    """Hands laid into each other and tightened: fingers find their ways past each other."""
    shapes = model.random_shapes(draws, n, identities)
    poses = [bent_arms(draws, model, shapes)[1] for _ in range(2)]
    leftward = torch.tensor(_LEFTWARD, device=draws.device)
    facing = torch.where(draws.chance(0.7, n)[:, None], 1.0, 0.0)
    palms = [facing * leftward + draws.normal(0.0, 0.35, n, 3) for _ in range(2)]
    arms = [_held(draws, model.pose(shapes, p), q) for p, q in zip(poses, palms, strict=True)]
    centre = [arms[0].joints.mean(1), arms[1].mirrored().joints.mean(1)]
    outward = unit(facing * leftward + draws.normal(0.0, 0.4, n, 3))
    start = centre[0] - centre[1] + outward * draws.uniform(0.005, 0.055, n, 1)
    start = start + draws.normal(0.0, 0.016, n, 3)
    right, left = tighten(model, shapes, poses, arms, start)
    between = contact.overlaps(right.joints, shapes.size_m, left.joints, shapes.size_m).amax((1, 2))
    fine = (between < _CLASP_PENETRATION_M) & ~forearms_cross(right, left)
    for arm in (right, left):
        fine &= contact.self_penetration(arm.joints, shapes.size_m) < _CLASP_SELF_M
    return _pairs(shapes, right, left, interacting=True), fine


def _contact_joints(draws: Draws, n: int) -> Tensor:
    """Joints (n,) to touch with: tips half of the time, else anywhere."""
    tips = torch.tensor(_TIPS, device=draws.device)[draws.integers(len(_TIPS), n)]
    return torch.where(draws.chance(0.45, n), tips, draws.integers(21, n))


def forearms_cross(right: Arms, left: Arms) -> Tensor:
    """Whether (n,) the forearms run through each other or through the other hand."""
    t = torch.linspace(0.15, 1.0, 8, device=right.joints.device)[None, :, None]
    a, b = (
        arm.joints[:, :1] + t * (arm.elbow[:, None] - arm.joints[:, :1]) for arm in (right, left)
    )
    arm_hand = torch.minimum(
        torch.cdist(a, left.joints).amin((1, 2)), torch.cdist(b, right.joints).amin((1, 2))
    )
    return (torch.cdist(a, b).amin((1, 2)) < 0.06) | (arm_hand < 0.035)


def _pairs(shapes: Shapes, right: Arms, left: Arms, interacting: bool) -> Pairs:
    n, device = len(right.joints), right.joints.device
    arms = Arms(*(torch.stack([getattr(right, k), getattr(left, k)], 1) for k in vars(right)))
    present = torch.ones(n, 2, dtype=torch.bool, device=device)
    return Pairs(shapes, arms, present, torch.full((n,), interacting, device=device))


def _enough(make: Callable[[int], tuple[Pairs, Tensor]], n: int) -> Pairs:
    """n good ones of a maker that says of each whether it is."""
    kept: list[Pairs] = []
    while (missing := n - sum(len(p) for p in kept)) > 0:
        pairs, fine = make(missing + missing // 2 + 8)
        kept.append(pairs[fine.nonzero()[:missing, 0]])
    return _join(kept)


def _join(parts: list[Pairs]) -> Pairs:
    def cat(get) -> Tensor:
        return torch.cat([get(p) for p in parts])

    shapes = Shapes(*(cat(lambda p, k=k: getattr(p.shapes, k)) for k in vars(parts[0].shapes)))
    arms = Arms(*(cat(lambda p, k=k: getattr(p.arms, k)) for k in vars(parts[0].arms)))
    return Pairs(shapes, arms, cat(lambda p: p.present), cat(lambda p: p.interacting))
