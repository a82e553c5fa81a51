# SPDX-License-Identifier: Apache-2.0
"""Hands whose thumb touches another fingertip: gradient descent bends both, all hands at once."""

import torch
from torch import Tensor

from training.synth import contact
from training.synth.draws import Draws
from training.synth.hand_model import HandModel, Poses, Shapes
from training.synth.pose import HIGH, LOW

_STEPS = 40
_MM = 1000.0
#: Least and most distance of the two tip joints, which lie inside the flesh, of a hand of 0.18 m.
_GAP_MM = (8.0, 16.0)
_SIZE_OF_GAP_M = 0.18
#: What a degree of change, an overlap and an angle beyond the limits weigh against one squared
#: millimetre of distance.
_PRIOR, _OVERLAP, _LIMITS = 0.01, 1.0, 0.5
_ALLOWED_MM = 4.0
_THUMB_TIP, _FIRST_TIP, _JOINTS_A_FINGER = 4, 8, 4


def pinched(draws: Draws, model: HandModel, shapes: Shapes, poses: Poses) -> Poses:
    """The poses of n right hands with the thumb at the tip of one finger, near to what they were.

    Any finger is as likely; thumb and that finger bend most, the others where they are in the way.
    """
    n = len(shapes.joints)
    finger = draws.integers(4, n)
    gap = draws.uniform(*_GAP_MM, n) * shapes.size_m / _SIZE_OF_GAP_M
    tip = _FIRST_TIP + _JOINTS_A_FINGER * finger
    before = poses.fingers
    with torch.inference_mode(False), torch.enable_grad():
        before, gap = before.clone(), gap.clone()
        fingers = before.clone().requires_grad_()
        twist = poses.thumb_twist.clone().requires_grad_()
        optimizer = torch.optim.Adam([fingers, twist], lr=0.03)
        for _ in range(_STEPS):
            loss = _energy(model, shapes, _with(poses, fingers, twist), before, tip, gap)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return _with(poses, fingers.detach(), twist.detach())


def _with(poses: Poses, fingers: Tensor, twist: Tensor) -> Poses:
    return Poses(fingers, twist, poses.wrist, poses.pronation, poses.elbow, poses.elbow_plane)


def _energy(
    model: HandModel, shapes: Shapes, poses: Poses, before: Tensor, tip: Tensor, gap: Tensor
) -> Tensor:
    joints = model.pose(shapes, poses).joints
    rows = torch.arange(len(joints), device=joints.device)
    distance = (joints[rows, tip] - joints[:, _THUMB_TIP]).norm(dim=1) * _MM
    energy = (distance - gap).square().sum()
    own = contact.self_overlaps(joints, shapes.size_m) * _MM
    energy = energy + _OVERLAP * (own - _ALLOWED_MM).clamp(min=0).square().sum()
    energy = energy + _PRIOR * torch.rad2deg(poses.fingers - before).square().sum()
    low, high = (torch.deg2rad(limit.to(joints.device)) for limit in (LOW, HIGH))
    outside = (poses.fingers - high).clamp(min=0) + (low - poses.fingers).clamp(min=0)
    return energy + _LIMITS * torch.rad2deg(outside).square().sum()
