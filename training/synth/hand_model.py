# SPDX-License-Identifier: Apache-2.0
"""Shape, forward kinematics and skinning of the baked arm (see `bake.py`).

Everything is a right arm in the canonical hand frame: origin wrist, y to the middle finger's base,
x toward the thumb, z out of the palm; metres. `mirror` makes a left arm of it.
"""

from dataclasses import dataclass, field

import numpy as np

from training.synth.bake import ASSETS, BONES

NUM_FLEX = 4  # per finger: flex of base, middle and last joint, then spread of the base


@dataclass
class HandPose:
    """Joint angles of a right arm in radians; zero is the rest pose of the mesh.

    Attributes:
        fingers: (5, 4) thumb to pinky: flexion of the base, middle and last joint, spread.
        thumb_twist: rotation of the thumb about its own axis at its base.
        wrist: (2,) flexion toward the palm and deviation toward the thumb.
        pronation: twist of the hand against the forearm, shared out along it.
        elbow: flexion of the elbow, 0 is straight.
        elbow_plane: direction about the forearm in which the elbow bends.
    """

    fingers: np.ndarray = field(default_factory=lambda: np.zeros((5, NUM_FLEX)))
    thumb_twist: float = 0.0
    wrist: np.ndarray = field(default_factory=lambda: np.zeros(2))
    pronation: float = 0.0
    elbow: float = 0.0
    elbow_plane: float = 0.0


@dataclass
class ArmShape:
    """One identity: rest vertices (N, 3) and 22 rest joints (21 public, elbow), metres."""

    vertices: np.ndarray
    joints: np.ndarray

    @property
    def size_m(self) -> float:
        """Wrist to middle base to middle tip along the bones."""
        chain = self.joints[[0, 9, 10, 11, 12]]
        return float(np.linalg.norm(np.diff(chain, axis=0), axis=1).sum())


@dataclass
class PosedArm:
    """A posed arm: vertices (N, 3), joints (21, 3) public order, elbow (3,), metres."""

    vertices: np.ndarray
    joints: np.ndarray
    elbow: np.ndarray
    is_left: bool = False

    def transformed(self, rotation: np.ndarray, translation: np.ndarray) -> "PosedArm":
        """The same arm under x -> rotation @ x + translation."""
        return PosedArm(
            self.vertices @ rotation.T + translation,
            self.joints @ rotation.T + translation,
            self.elbow @ rotation.T + translation,
            self.is_left,
        )

    def mirrored(self) -> "PosedArm":
        """The other hand: mirror image in x."""
        flip = np.array([-1.0, 1.0, 1.0])
        return PosedArm(
            self.vertices * flip, self.joints * flip, self.elbow * flip, not self.is_left
        )


class HandModel:
    """The baked arm: `shape` makes an identity, `pose` bends it."""

    def __init__(self) -> None:
        with np.load(ASSETS) as data:
            self._mean = data["arm_mean"].astype(np.float64)
            self._basis = data["arm_basis"].astype(np.float64)
            self._identities = data["arm_identities"].astype(np.float64)
            self.faces = data["arm_faces"].astype(np.int64)
            weights = data["arm_weights"].astype(np.float64)
            self.weights = weights / weights.sum(1, keepdims=True)
            self.nail = data["arm_nail"].astype(np.float32)
            self._nail_normal = data["thumb_nail_normal"].astype(np.float64)
        self.face_bone = self.weights[self.faces].sum(1).argmax(1)

    def shape(self, coefficients: np.ndarray) -> ArmShape:
        """Rest shape of (K,) coefficients, in units of one standard deviation."""
        points = self._mean + np.tensordot(coefficients, self._basis, axes=1)
        return ArmShape(points[:-22], points[-22:])

    def random_shape(self, rng: np.random.Generator, identities: range) -> ArmShape:
        """A blend of two of the given identities, its size varied by 4 % more."""
        a, b = rng.choice(len(identities), 2)
        t = rng.uniform(0.0, 1.0)
        c = (1 - t) * self._identities[identities[a]] + t * self._identities[identities[b]]
        shape = self.shape(c)
        scale = rng.normal(1.0, 0.04)
        return ArmShape(shape.vertices * scale, shape.joints * scale)

    def pose(self, shape: ArmShape, pose: HandPose) -> PosedArm:
        """Bend a shape; the palm stays in the canonical frame and the arm moves against it."""
        rest, joints = shape.joints, shape.joints.copy()
        rotations = np.tile(np.eye(3), (len(BONES), 1, 1))
        origins_rest = np.zeros((len(BONES), 3))
        origins = np.zeros((len(BONES), 3))
        for f in range(5):
            self._bend_finger(f, rest, joints, pose, rotations, origins_rest, origins)
        elbow = self._bend_arm(rest, pose, rotations, origins_rest, origins)
        offsets = origins - np.einsum("bij,bj->bi", rotations, origins_rest)
        blended = np.einsum("nb,bij->nij", self.weights, rotations)
        vertices = np.einsum("nij,nj->ni", blended, shape.vertices) + self.weights @ offsets
        return PosedArm(vertices, joints[:21], elbow)

    def _bend_finger(self, f, rest, joints, pose, rotations, origins_rest, origins) -> None:
        chain = [1 + 4 * f + i for i in range(4)]
        direction = _unit(rest[chain[1]] - rest[chain[0]])
        palm = -self._nail_normal if f == 0 else np.array([0.0, 0.0, 1.0])
        flex_axis = _unit(np.cross(direction, palm))
        spread_axis = _unit(np.cross(flex_axis, direction))
        rotation = axis_angle(spread_axis, pose.fingers[f, 3])
        if f == 0:
            rotation = rotation @ axis_angle(direction, pose.thumb_twist)
        for i in range(3):
            rotation = rotation @ axis_angle(flex_axis, pose.fingers[f, i])
            bone = 3 + 3 * f + i
            rotations[bone] = rotation
            origins_rest[bone], origins[bone] = rest[chain[i]], joints[chain[i]]
            joints[chain[i + 1]] = joints[chain[i]] + rotation @ (
                rest[chain[i + 1]] - rest[chain[i]]
            )

    def _bend_arm(self, rest, pose, rotations, origins_rest, origins) -> np.ndarray:
        forearm_axis = _unit(rest[21])
        bend = axis_angle(np.array([1.0, 0, 0]), -pose.wrist[0]) @ axis_angle(
            np.array([0, 0, 1.0]), pose.wrist[1]
        )
        # The forearm twists as a whole: skinning spreads the seam over the wrist.
        forearm = bend @ axis_angle(forearm_axis, pose.pronation * 0.4)
        rotations[BONES.index("forearm")] = forearm
        elbow = forearm @ rest[21]
        axis = _unit(np.cross(forearm_axis, _around(forearm_axis, pose.elbow_plane)))
        upper = BONES.index("upperarm")
        rotations[upper] = forearm @ axis_angle(axis, pose.elbow)
        origins_rest[upper], origins[upper] = rest[21], elbow
        return elbow


def axis_angle(axis: np.ndarray, angle: float) -> np.ndarray:
    """Rotation matrix about a unit axis (Rodrigues), (3, 3)."""
    x, y, z = axis
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * (k @ k)


def _around(axis: np.ndarray, angle: float) -> np.ndarray:
    first = _unit(np.cross(axis, [0.3, 0.2, 0.9]))
    return np.cos(angle) * first + np.sin(angle) * np.cross(axis, first)


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v)
