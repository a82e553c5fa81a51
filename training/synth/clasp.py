# SPDX-License-Identifier: Apache-2.0
"""Hands that hold each other: gradient descent draws them together and keeps fingers out of each
other, all pairs of a batch at once."""

import torch
from torch import Tensor

from training.synth import contact
from training.synth.hand_model import Arms, HandModel, Poses, Shapes
from training.synth.pose import HIGH, LOW
from training.synth.rotations import apply, axis_angle

_STEPS = 45
_MM = 1000.0
#: Overlaps that skin takes up, and what each term weighs against one squared millimetre of overlap.
_ALLOWED_MM, _SELF_ALLOWED_MM = 1.5, 4.0
_TOGETHER, _PRIOR, _LIMITS = 0.012, 0.02, 0.5


def tighten(
    model: HandModel, shapes: Shapes, poses: list[Poses], held: list[Arms], start: Tensor
) -> tuple[Arms, Arms]:
    """Bend and move the hands of n pairs until they hold each other.

    Args:
        model: of the hands.
        shapes: n identities.
        poses: of the right and of the left hand, each as right hands.
        held: those poses, laid about the origin; the left ones not yet mirrored.
        start: (n, 3) first translation of the left hands, metres.

    Returns:
        Right and left arms; the caller looks whether they still cut each other.
    """
    # Descent bends the fingers; wrists, elbows and forearms stay as they were laid, which the
    # palm's rotation tells, as posing leaves it alone.
    base = [h.bones[:, 2, :, :3].clone() for h in held]
    first = [p.fingers for p in poses]
    with torch.inference_mode(False), torch.enable_grad():
        start = start.clone()
        fingers = [f.clone().requires_grad_() for f in first]
        shift, turn = (torch.zeros_like(start).requires_grad_() for _ in range(2))
        optimizer = torch.optim.Adam(
            [{"params": [*fingers, turn], "lr": 0.025}, {"params": [shift], "lr": 0.002}]
        )
        for _ in range(_STEPS):
            right, left = _posed(model, shapes, poses, fingers, base, start + shift, turn)
            loss = _energy(shapes, right, left, fingers, first)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        return _posed(model, shapes, poses, fingers, base, start + shift, turn)


def _posed(model, shapes, poses, fingers, base, shift, turn) -> tuple[Arms, Arms]:
    arms = [
        model.pose(shapes, Poses(f, p.thumb_twist, p.wrist, p.pronation, p.elbow, p.elbow_plane))
        for f, p in zip(fingers, poses, strict=True)
    ]
    zero = torch.zeros_like(shift)
    right = arms[0].transformed(base[0], zero)
    left = arms[1].transformed(base[1], zero).mirrored()
    angle = turn.norm(dim=1).clamp(min=1e-6)
    rotation = axis_angle(turn / angle[:, None], angle)
    centre = left.joints.mean(1).detach()
    return right, left.transformed(
        rotation, shift + centre - apply(rotation, centre[:, None])[:, 0]
    )


def _energy(shapes: Shapes, right: Arms, left: Arms, fingers, first) -> Tensor:
    size = shapes.size_m
    between = contact.overlaps(right.joints, size, left.joints, size) * _MM
    energy = (between - _ALLOWED_MM).clamp(min=0).square().sum()
    apart = (right.joints.mean(1) - left.joints.mean(1)) * _MM
    energy = energy + _TOGETHER * apart.square().sum()
    low, high = (torch.deg2rad(x.to(size.device)) for x in (LOW, HIGH))
    for arm, now, before in zip((right, left), fingers, first, strict=True):
        own = contact.self_overlaps(arm.joints, size) * _MM
        energy = energy + (own - _SELF_ALLOWED_MM).clamp(min=0).square().sum()
        energy = energy + _PRIOR * torch.rad2deg(now - before).square().sum()
        outside = (now - high).clamp(min=0) + (low - now).clamp(min=0)
        energy = energy + _LIMITS * torch.rad2deg(outside).square().sum()
    return energy
