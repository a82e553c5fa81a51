# SPDX-License-Identifier: Apache-2.0
"""Shape, forward kinematics and skinning of the baked arm (see `bake.py`), in batches.

Everything is a right arm in the canonical hand frame: origin wrist, y to the middle finger's base,
x toward the thumb, z out of the palm; metres. `Arms.mirrored` makes left arms of them.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from digit_core.hand_size import CHAIN
from training.synth.bake import ASSETS, BONES
from training.synth.draws import Draws
from training.synth.rotations import apply, axis_angle, cross, unit

_CHAINS = torch.tensor([[1 + 4 * f + i for i in range(4)] for f in range(5)])
_ELBOW = 21


@dataclass
class Poses:
    """Joint angles of n right arms in radians; zero is the rest pose of the mesh.

    Attributes:
        fingers: (n, 5, 4) thumb to pinky: flexion of the base, middle and last joint, spread.
        thumb_twist: (n,) rotation of the thumb about its own axis at its base.
        wrist: (n, 2) flexion toward the palm and deviation toward the thumb.
        pronation: (n,) twist of the hand against the forearm, shared out along it.
        elbow: (n,) flexion of the elbow, 0 is straight.
        elbow_plane: (n,) direction about the forearm in which the elbow bends.
    """

    fingers: Tensor
    thumb_twist: Tensor
    wrist: Tensor
    pronation: Tensor
    elbow: Tensor
    elbow_plane: Tensor

    @classmethod
    def rest(cls, n: int, device: torch.device | str = "cpu") -> "Poses":
        """The mesh as it was modelled."""
        zeros = torch.zeros(n, device=device)
        fingers, wrist = zeros.new_zeros(n, 5, 4), zeros.new_zeros(n, 2)
        return cls(fingers, zeros, wrist, zeros, zeros, zeros)

    def __getitem__(self, index) -> "Poses":
        """Some of them."""
        return Poses(*(getattr(self, f.name)[index] for f in fields(self)))


@dataclass
class Shapes:
    """n identities.

    Attributes:
        coefficients: (n, K) of the shape basis, in standard deviations.
        scale: (n,) by which all is enlarged.
        joints: (n, 22, 3) rest joints (21 public, elbow), metres.
    """

    coefficients: Tensor
    scale: Tensor
    joints: Tensor

    @property
    def size_m(self) -> Tensor:
        """(n,) wrist to middle base to middle tip along the bones."""
        chain = self.joints[:, list(CHAIN)]
        return (chain[:, 1:] - chain[:, :-1]).norm(dim=2).sum(1)

    def __getitem__(self, index) -> "Shapes":
        """Some of them."""
        return Shapes(self.coefficients[index], self.scale[index], self.joints[index])


@dataclass
class Arms:
    """n posed arms.

    Attributes:
        bones: (n, 18, 3, 4) maps rest points to posed ones, one for each bone of `BONES`.
        joints: (n, 21, 3) public order, metres.
        elbow: (n, 3) metres.
    """

    bones: Tensor
    joints: Tensor
    elbow: Tensor

    def transformed(self, rotation: Tensor, translation: Tensor) -> "Arms":
        """The same arms under x -> rotation @ x + translation, (n, 3, 3) or (3, 3), and (n, 3)."""
        bones = rotation[..., None, :, :] @ self.bones
        bones = torch.cat([bones[..., :3], bones[..., 3:] + translation[..., None, :, None]], -1)
        joints = apply(rotation, self.joints) + translation[..., None, :]
        elbow = apply(rotation, self.elbow[..., None, :])[..., 0, :] + translation
        return Arms(bones, joints, elbow)

    def moved(self, by: Tensor) -> "Arms":
        """The same arms, shifted by (n, 3)."""
        return self.transformed(torch.eye(3, device=by.device), by)

    def mirrored(self) -> "Arms":
        """The other hands: mirror images in x."""
        flip = self.joints.new_tensor([-1.0, 1.0, 1.0])
        return Arms(self.bones * flip[:, None], self.joints * flip, self.elbow * flip)

    def __getitem__(self, index) -> "Arms":
        """Some of them."""
        return Arms(self.bones[index], self.joints[index], self.elbow[index])


class HandModel:
    """The baked arm: `shapes` makes identities, `pose` bends them, `vertices` gives their skin.

    Attributes:
        faces: (F, 3) int64.
        weights: (V, 18) skinning weights.
        face_bone: (F,) the bone that moves a face most.
        nail: (V,) 0 to 1.
        identities: (400, K) coefficients that were baked.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        with np.load(ASSETS) as data:
            read = {
                k: torch.from_numpy(data[k].astype(np.float32)).to(device)
                for k in data.files
                if not k.startswith("bust")
            }
        self._mean, self._basis = read["arm_mean"], read["arm_basis"]
        self.identities = read["arm_identities"]
        self.faces = read["arm_faces"].long()
        self.weights = read["arm_weights"] / read["arm_weights"].sum(1, keepdim=True)
        self.nail = read["arm_nail"]
        self.face_bone = self.weights[self.faces].sum(1).argmax(1)
        palm = torch.tensor([[0.0, 0.0, 1.0]], device=device).repeat(5, 1)
        palm[0] = -read["thumb_nail_normal"]
        self._palm = palm

    def shapes(self, coefficients: Tensor, scale: Tensor | None = None) -> Shapes:
        """Identities of (n, K) coefficients."""
        if scale is None:
            scale = coefficients.new_ones(len(coefficients))
        joints = self._points(coefficients, slice(-22, None)) * scale[:, None, None]
        return Shapes(coefficients, scale, joints)

    def random_shapes(self, draws: Draws, n: int, identities: range) -> Shapes:
        """Blends of two of the given identities, their size varied by 4 % more."""
        known = self.identities[identities.start : identities.stop]
        a, b = (known[draws.integers(len(known), n)] for _ in range(2))
        t = draws.uniform(0.0, 1.0, n, 1)
        return self.shapes((1 - t) * a + t * b, draws.normal(1.0, 0.04, n))

    def rest_vertices(self, shapes: Shapes) -> Tensor:
        """(n, V, 3) metres."""
        return self._points(shapes.coefficients, slice(None, -22)) * shapes.scale[:, None, None]

    def vertices(self, rest: Tensor, arms: Arms) -> Tensor:
        """Skin of posed arms, (n, V, 3), from their rest vertices (linear blend skinning)."""
        maps = torch.einsum("vb,nbk->nvk", self.weights, arms.bones.flatten(2)).unflatten(2, (3, 4))
        return (maps[..., :3] @ rest[..., None])[..., 0] + maps[..., 3]

    def pose(self, shapes: Shapes, poses: Poses) -> Arms:
        """Bend shapes; the palm stays in the canonical frame and the arm moves against it."""
        n, rest = len(shapes.joints), shapes.joints
        chains = rest[:, _CHAINS.to(rest.device)]  # (n, 5, 4, 3)
        turns, places = self._bend_fingers(chains, poses)
        arm_turns, arm_rest, arm_places, elbow = _bend_arm(rest, poses)
        eye = torch.eye(3, device=rest.device).expand(n, 1, 3, 3)
        zero = rest.new_zeros(n, 1, 3)
        rotations = torch.cat([arm_turns, eye, turns.flatten(1, 2)], 1)
        before = torch.cat([arm_rest, zero, chains[:, :, :3].flatten(1, 2)], 1)
        after = torch.cat([arm_places, zero, places[:, :, :3].flatten(1, 2)], 1)
        offsets = after - (rotations @ before[..., None])[..., 0]
        joints = torch.cat([rest[:, :1], places.flatten(1, 2)], 1)
        return Arms(torch.cat([rotations, offsets[..., None]], -1), joints, elbow)

    def _bend_fingers(self, chains: Tensor, poses: Poses) -> tuple[Tensor, Tensor]:
        """Rotations (n, 5, 3, 3, 3) of the segments and places (n, 5, 4, 3) of their joints."""
        direction = unit(chains[:, :, 1] - chains[:, :, 0])
        flex = unit(cross(direction, self._palm))
        spread = unit(cross(flex, direction))
        twist = torch.nn.functional.pad(poses.thumb_twist[:, None], (0, 4))
        rotation = axis_angle(spread, poses.fingers[..., 3]) @ axis_angle(direction, twist)
        turns, places = [], [chains[:, :, 0]]
        for i in range(3):
            rotation = rotation @ axis_angle(flex, poses.fingers[..., i])
            turns.append(rotation)
            segment = chains[:, :, i + 1] - chains[:, :, i]
            places.append(places[-1] + (rotation @ segment[..., None])[..., 0])
        return torch.stack(turns, 2), torch.stack(places, 2)

    def _points(self, coefficients: Tensor, which: slice) -> Tensor:
        basis = self._basis[:, which]
        moved = (coefficients @ basis.flatten(1)).unflatten(1, basis.shape[1:])
        return self._mean[which] + moved


def _bend_arm(rest: Tensor, poses: Poses) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rotations (n, 2, 3, 3) of upper arm and forearm, where they turn about, and the elbow."""
    x, z = rest.new_tensor([1.0, 0, 0]), rest.new_tensor([0, 0, 1.0])
    n = len(rest)
    elbow = rest[:, _ELBOW]
    along = unit(elbow)
    bend = axis_angle(x.expand(n, 3), -poses.wrist[:, 0]) @ axis_angle(
        z.expand(n, 3), poses.wrist[:, 1]
    )
    # The forearm twists as a whole: skinning spreads the seam over the wrist.
    forearm = bend @ axis_angle(along, poses.pronation * 0.4)
    side = unit(cross(along, rest.new_tensor([0.3, 0.2, 0.9])))
    plane = poses.elbow_plane[:, None]
    around = torch.cos(plane) * side + torch.sin(plane) * cross(along, side)
    upper = forearm @ axis_angle(unit(cross(along, around)), poses.elbow)
    moved = (forearm @ elbow[..., None])[..., 0]
    zero = torch.zeros_like(elbow)
    turns = torch.stack([upper, forearm], 1)
    assert BONES[:3] == ("upperarm", "forearm", "palm")
    return turns, torch.stack([elbow, zero], 1), torch.stack([moved, zero], 1), moved
