# SPDX-License-Identifier: Apache-2.0
"""Draw a scene: one or two hands of a person, seen by a camera, with truth in the camera frame."""

from dataclasses import dataclass

import numpy as np

from training.synth import contact
from training.synth.hand_model import ArmShape, HandModel, PosedArm, axis_angle
from training.synth.pose import random_pose

_SELF_PENETRATION_M = 0.0055
_LEFTWARD = np.array([-1.0, 0.0, 0.0])


@dataclass
class Scene:
    """Hands in the camera's optical frame, metres.

    Attributes:
        arms: side ("right", "left") to posed arm.
        shape: the person's arm shape.
        to_camera: (3, 3) rotation from the person's frame (x right, y up, z back) to the camera's.
        focus: (3,) middle of the hands.
        interacting: whether the hands touch or nearly do.
    """

    arms: dict[str, PosedArm]
    shape: ArmShape
    to_camera: np.ndarray
    focus: np.ndarray
    interacting: bool


@dataclass
class SceneOptions:
    """Shares of what is drawn.

    Attributes:
        single: share of pictures with one hand.
        interacting: share of the others in which the hands touch or nearly do.
        distance_m: nearest and farthest distance of the hands.
        identities: baked identities to use, so that tests can keep some aside.
    """

    single: float = 0.35
    interacting: float = 0.6
    distance_m: tuple[float, float] = (0.25, 1.1)
    identities: range = range(0, 360)


def random_scene(rng: np.random.Generator, model: HandModel, options: SceneOptions) -> Scene:
    """One scene; poses that cut themselves and hands that cannot be parted are drawn again."""
    shape = model.random_shape(rng, options.identities)
    if rng.random() < options.single:
        side = "right" if rng.random() < 0.5 else "left"
        arms, interacting = {side: _in_body(rng, model, shape, side)}, False
    else:
        arms, interacting = None, rng.random() < options.interacting
        while arms is None:
            arms = _two_hands(rng, model, shape, interacting)
    to_camera = _view(rng)
    joints = np.concatenate([arm.joints for arm in arms.values()])
    focus_body = joints.mean(0)
    distance = float(np.exp(rng.uniform(*np.log(options.distance_m))))
    focus = np.array([0.0, 0.0, distance])
    placed = {s: a.transformed(to_camera, focus - to_camera @ focus_body) for s, a in arms.items()}
    return Scene(placed, shape, to_camera, focus, interacting)


def bent_arm(rng: np.random.Generator, model: HandModel, shape: ArmShape) -> PosedArm:
    """A right arm in a random pose that does not cut itself, in the canonical frame."""
    while True:
        arm = model.pose(shape, random_pose(rng))
        if contact.self_penetration(arm.joints, shape.size_m) < _SELF_PENETRATION_M:
            return arm


def orient(arm: PosedArm, forearm: np.ndarray, palm: np.ndarray) -> np.ndarray:
    """Rotation (3, 3) that lays the forearm (elbow to wrist) along `forearm` and turns the palm's
    normal as near to `palm` as that allows."""
    y0 = -arm.elbow / np.linalg.norm(arm.elbow)
    source = _frame(y0, np.array([0.0, 0.0, 1.0]))
    target = _frame(forearm / np.linalg.norm(forearm), palm)
    return target @ source.T


def _in_body(rng, model, shape, side: str, palm: np.ndarray | None = None) -> PosedArm:
    """A hand about the origin of the person's frame, held as people hold theirs."""
    arm = bent_arm(rng, model, shape)
    forearm = np.array([rng.uniform(-0.9, 0.5), rng.uniform(-0.6, 1.2), -rng.uniform(-0.2, 1.0)])
    if palm is None:
        neutral = _LEFTWARD - (_LEFTWARD @ _unit(forearm)) * _unit(forearm)
        palm = axis_angle(_unit(forearm), rng.uniform(-2.0, 2.0)) @ neutral
    arm = arm.transformed(orient(arm, forearm, palm), np.zeros(3))
    return arm if side == "right" else arm.mirrored()


def _two_hands(rng, model, shape, interacting: bool) -> dict[str, PosedArm] | None:
    facing = rng.random() < 0.45
    palms = [_LEFTWARD + rng.normal(0, 0.45, 3) if facing else None for _ in range(2)]
    right = _in_body(rng, model, shape, "right", palms[0])
    left = _in_body(rng, model, shape, "left", palms[1])
    if not interacting:
        gap = np.array(
            [
                rng.choice([-1, 1], p=(0.92, 0.08)) * rng.uniform(0.16, 0.6),
                rng.normal(0, 0.12),
                rng.normal(0, 0.1),
            ]
        )
        shift = -gap - left.joints.mean(0) + right.joints.mean(0)
        moved = left.transformed(np.eye(3), shift)
        depth, _ = contact.penetration(right.joints, shape.size_m, moved.joints, shape.size_m)
        return {"right": right, "left": moved} if depth < 0 else None
    a, b = right.joints[_contact_joint(rng)], left.joints[_contact_joint(rng)]
    start = a - b + rng.normal(0, 0.012, 3)
    if rng.random() < 0.25:  # near, not touching
        start = start + _unit(
            left.joints.mean(0) + start - right.joints.mean(0) + 1e-6
        ) * rng.uniform(0.01, 0.07)
    near = left.transformed(np.eye(3), start)
    push = contact.push_apart(right.joints, shape.size_m, near.joints, shape.size_m)
    if push is None or np.linalg.norm(push) > 0.09 or _forearms_cross(right, near, push):
        return None
    return {"right": right, "left": near.transformed(np.eye(3), push)}


def _contact_joint(rng: np.random.Generator) -> int:
    """A joint to touch with: tips half of the time, else anywhere."""
    return int(rng.choice([4, 8, 12, 16, 20])) if rng.random() < 0.45 else int(rng.integers(21))


def _forearms_cross(right: PosedArm, left: PosedArm, push: np.ndarray) -> bool:
    """Whether the forearms run through each other or through the other hand."""
    t = np.linspace(0.15, 1.0, 8)[:, None]
    a = right.joints[0] + t * (right.elbow - right.joints[0])
    b = left.joints[0] + push + t * (left.elbow - left.joints[0])
    arm_arm = np.linalg.norm(a[:, None] - b[None], axis=2).min()
    arm_hand = min(
        np.linalg.norm(a[:, None] - (left.joints + push)[None], axis=2).min(),
        np.linalg.norm(b[:, None] - right.joints[None], axis=2).min(),
    )
    return bool(arm_arm < 0.06 or arm_hand < 0.035)


def _view(rng: np.random.Generator) -> np.ndarray:
    """Rotation from the person's frame to the camera's: facing, over the shoulders, or anywhere."""
    kind = rng.choice(3, p=(0.45, 0.25, 0.3))
    if kind == 0:  # a webcam or another person, in front
        azimuth, elevation = rng.normal(np.pi, 0.5), rng.normal(0.05, 0.3)
    elif kind == 1:  # one's own eyes or a head camera
        azimuth, elevation = rng.normal(0, 0.4), rng.normal(0.7, 0.35)
    else:
        azimuth, elevation = rng.uniform(0, 2 * np.pi), np.arcsin(rng.uniform(-0.8, 1.0))
    back = np.array(
        [
            np.sin(azimuth) * np.cos(elevation),
            np.sin(elevation),
            np.cos(azimuth) * np.cos(elevation),
        ]
    )
    z = -back
    x = np.cross(z, [0.0, 1.0, 0.0])
    x = _unit(x) if np.linalg.norm(x) > 1e-6 else np.array([1.0, 0.0, 0.0])
    rotation = np.stack([x, np.cross(z, x), z])
    roll = rng.uniform(-np.pi, np.pi) if rng.random() < 0.12 else rng.normal(0, 0.18)
    return axis_angle(np.array([0.0, 0.0, 1.0]), roll) @ rotation


def _frame(y: np.ndarray, near_z: np.ndarray) -> np.ndarray:
    """Right-handed frame (columns) with the given y and z as near to `near_z` as may be."""
    z = near_z - (near_z @ y) * y
    if np.linalg.norm(z) < 1e-6:
        z = np.cross(y, [1.0, 0.3, 0.2])
    z = _unit(z)
    return np.stack([np.cross(y, z), y, z], axis=1)


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v)
