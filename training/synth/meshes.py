# SPDX-License-Identifier: Apache-2.0
"""Everything that stands in a picture as one mesh of fixed topology: two arms, a bust, six things.

What is absent is hidden by its faces' labels, so that a whole batch shares its arrays' shapes.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from digit_core.parts import LEFT_OFFSET, Part
from training.synth.bake import ASSETS
from training.synth.draws import Draws
from training.synth.hand_model import HandModel
from training.synth.looks import Looks, linear, random_colours
from training.synth.pairs import Pairs
from training.synth.raster import HIDDEN, Topology
from training.synth.rotations import apply

#: Label of everything drawn that is no hand part: forearms, sleeves, things, people.
OTHER_LABEL = 64
NUM_THINGS = 6
#: Faces further behind the wrist than this are forearm, not palm.
_WRIST_CAP_M = 0.018
_RINGS, _AROUND = 9, 14
#: Rows of the material table.
SKIN, SLEEVE, STRIPE, WATCH, FACE, SHIRT, THING = range(7)
NUM_MATERIALS = THING + NUM_THINGS
_VERTEX_COLOUR = -1.0
_SEGMENTS = ("PROXIMAL", "MIDDLE", "DISTAL")
_FINGER_PARTS = [
    int(Part[f"{name}_{s}"])
    for name in ("THUMB", "INDEX", "MIDDLE", "RING", "PINKY")
    for s in _SEGMENTS
]


@dataclass
class Mesh:
    """n pictures' meshes, camera frame, metres.

    Attributes:
        position, normal, rest: (n, V, 3).
        colour: (n, V, 4) linear RGB and gloss to add.
        material, label: (n, F) uint8; a label of HIDDEN is not drawn.
        materials: (n, M, 8), see `raster.cpp`.
    """

    position: Tensor
    normal: Tensor
    rest: Tensor
    colour: Tensor
    material: Tensor
    label: Tensor
    materials: Tensor


@dataclass
class Things:
    """n times NUM_THINGS superquadrics: boxes, balls, cylinders and what lies between.

    Attributes:
        centre, half: (n, K, 3) metres.
        rotation: (n, K, 3, 3).
        roundness: (n, K, 2) exponents, 1 is round and 0 square, along and about the axis.
        present: (n, K) bool.
    """

    centre: Tensor
    half: Tensor
    rotation: Tensor
    roundness: Tensor
    present: Tensor


class MeshMaker:
    """Poses, paints and joins the meshes of a batch.

    Attributes:
        topology: F faces of the joined mesh.
        casts_shadow: (F,) bool; busts do not, the shadow map is too small for them.
    """

    def __init__(self, model: HandModel, device: torch.device) -> None:
        self._model = model
        with np.load(ASSETS) as data:
            bust = {
                k: torch.from_numpy(data[k].astype(np.float32)).to(device)
                for k in data.files
                if k.startswith("bust")
            }
        self._busts, self._lips, self._eye = (
            bust["bust_vertices"],
            bust["bust_lips"],
            bust["bust_eye"] > 0.5,
        )
        self._head = bust["bust_head"] > 0.5
        self._solid, solid_faces = _sphere_grid(device)
        arms, arm_count = model.faces, len(model.nail)
        parts = [arms, arms.flip(1) + arm_count, bust["bust_faces"].long() + 2 * arm_count]
        first = 2 * arm_count + self._busts.shape[1]
        parts += [solid_faces + first + i * len(self._solid) for i in range(NUM_THINGS)]
        self._counts = [len(p) for p in parts]
        self.topology = Topology(torch.cat(parts))
        self._arm_topology = [Topology(arms), Topology(arms.flip(1))]
        self._bust_faces = bust["bust_faces"].long()
        self.casts_shadow = torch.ones(sum(self._counts), dtype=torch.bool, device=device)
        start = 2 * len(arms)
        self.casts_shadow[start : start + self._counts[2]] = False

    def make(
        self,
        draws: Draws,
        pairs: Pairs,
        looks: Looks,
        bust_frame: Tensor,
        bust: Tensor,
        things: Things,
    ) -> Mesh:
        """Meshes of n pictures.

        Args:
            draws: source of what is random in them.
            pairs: hands in the camera frame.
            looks: their people.
            bust_frame: (n, 3, 4) from the bust's frame to the camera's.
            bust: (n,) bool, whether it is seen.
            things: what else stands there.
        """
        n = len(pairs)
        arms = self._arms(draws, pairs, looks)
        head = self._bust(draws, looks, bust_frame, bust)
        solids = self._things(draws, things)
        joined = [torch.cat([part[k] for part in (arms, head, solids)], 1) for k in range(5)]
        position, rest, colour, material, label = joined
        normal = self.topology.vertex_normals(position)
        return Mesh(
            position, normal, rest, colour, material, label, self._materials(draws, looks, n)
        )

    def _arms(self, draws: Draws, pairs: Pairs, looks: Looks) -> tuple[Tensor, ...]:
        model, n = self._model, len(pairs)
        rest = model.rest_vertices(pairs.shapes)
        axis = torch.nn.functional.normalize(pairs.shapes.joints[:, 21], dim=1)
        behind = (rest @ axis[..., None])[..., 0]
        covered = self._covered(behind, looks)
        swelling = self._sleeve_swelling(rest, behind, covered, looks, draws)
        positions, labels, materials = [], [], []
        for side in (0, 1):
            v = model.vertices(rest, pairs.arms[:, side])
            v = v + self._arm_topology[side].vertex_normals(v) * swelling[..., None]
            positions.append(v)
            label, material = self._arm_faces(behind, covered, looks, side)
            labels.append(torch.where(pairs.present[:, side, None], label, HIDDEN))
            materials.append(material)
        colour = self._skin(rest, behind, pairs, looks)
        noise_seed = draws.uniform(0.0, 50.0, n, 1, 3)
        return (
            torch.cat(positions, 1),
            torch.cat([rest + noise_seed, rest + noise_seed + 7.0], 1),
            torch.cat([colour, colour], 1),
            torch.cat(materials, 1),
            torch.cat(labels, 1),
        )

    def _covered(self, behind: Tensor, looks: Looks) -> Tensor:
        on_arm = self._model.weights[:, :2].sum(1) > 0.3
        return (behind > looks.sleeve_from_m[:, None]) & (on_arm | (behind > 0.02))

    def _sleeve_swelling(self, rest, behind, covered, looks: Looks, draws: Draws) -> Tensor:
        phase = draws.uniform(0.0, 50.0, len(rest), 1)
        folds = 1 + 0.5 * torch.sin(behind * 160 + 3 * torch.sin(rest[..., 0] * 120 + phase))
        return covered * looks.sleeve_thickness_m[:, None] * folds

    def _arm_faces(self, behind, covered, looks: Looks, side: int) -> tuple[Tensor, Tensor]:
        """Labels and materials (n, F) uint8 of one side's faces."""
        model, faces = self._model, self._model.faces
        middle = behind[:, faces].mean(2)
        cloth = covered[:, faces].all(2)
        offset = LEFT_OFFSET * side
        label = torch.where(middle < _WRIST_CAP_M, int(Part.PALM) + offset, OTHER_LABEL)
        fingers = torch.tensor([0, 0, 0, *_FINGER_PARTS], device=behind.device)[model.face_bone]
        label = torch.where(fingers > 0, fingers + offset, label)
        label = torch.where(cloth, OTHER_LABEL, label)
        width = looks.stripe_m[:, None]
        striped = (width > 0) & (torch.floor(middle / width.clamp(min=1e-3)) % 2 == 0)
        band = (middle - looks.watch_m[:, None]).abs() < 0.011
        material = torch.where(band, WATCH, SKIN)
        material = torch.where(cloth, torch.where(striped, STRIPE, SLEEVE), material)
        return label.to(torch.uint8), material.to(torch.uint8)

    def _skin(self, rest: Tensor, behind: Tensor, pairs: Pairs, looks: Looks) -> Tensor:
        """Vertex colours (n, V, 4) of an arm: palms paler, knuckles and tips redder, nails."""
        model = self._model
        normals = self._arm_topology[0].vertex_normals(rest)
        palmar = ((normals[..., 2] + 0.25) / 0.7).clamp(0, 1)
        palmar = (palmar * (1 - ((behind - 0.01) / 0.05).clamp(0, 1)))[..., None]
        albedo = looks.skin[:, None] + palmar * (looks.palm - looks.skin)[:, None]
        spots = pairs.shapes.joints[:, [4, 5, 6, 8, 9, 10, 12, 13, 14, 16, 17, 18, 20]]
        distance = torch.cdist(rest, spots).amin(2)
        redness = torch.exp(-((distance / 0.009) ** 2))[..., None]
        albedo = albedo * (1 + redness * albedo.new_tensor([0.06, -0.1, -0.08]))
        nail = model.nail[:, None]
        albedo = albedo + nail * (looks.nail[:, None] - albedo)
        return torch.cat([albedo, 0.4 * nail.expand(len(rest), -1, 1)], 2)

    def _bust(
        self, draws: Draws, looks: Looks, frame: Tensor, present: Tensor
    ) -> tuple[Tensor, ...]:
        n = len(present)
        v = self._busts[draws.integers(len(self._busts), n)]
        colour, cloth = self._bust_colours(draws, v, looks)
        faces = self._bust_faces
        material = torch.where(cloth[:, faces].all(2), SHIRT, FACE).to(torch.uint8)
        label = torch.where(present[:, None], OTHER_LABEL, HIDDEN).to(torch.uint8)
        position = apply(frame[:, :, :3], v) + frame[:, None, :, 3]
        return position, v + 3.0, colour, material, label.expand(n, len(faces))

    def _bust_colours(self, draws: Draws, v: Tensor, looks: Looks) -> tuple[Tensor, Tensor]:
        """Vertex colours (n, V, 4) and which vertices are clothed (n, V)."""
        n, head = len(v), self._head
        heights = v[:, head, 2]
        top = heights.amax(1, keepdim=True)
        back = v[..., 1] - v[:, head, 1].mean(1, keepdim=True)
        # Hair covers the top and the back of the head, to a random line.
        line = v[..., 2] - (top - 0.11) + 0.75 * back
        hair = head & (line > draws.uniform(0.015, 0.06, n, 1))
        hair &= v[..., 2] > top - draws.uniform(0.12, 0.35, n, 1)
        collar = draws.uniform(-0.10, 0.02, n, 1)
        cloth = (~head & (v[..., 2] < collar)) | (v[..., 2] < collar - 0.06)
        skin = looks.skin[:, None]
        lips = self._lips[:, None]
        colour = skin + lips * (skin * skin.new_tensor([0.9, 0.5, 0.5]) - skin)
        white = linear(skin.new_tensor([0.75, 0.74, 0.73]) * draws.uniform(0.3, 1.0, n, 1))
        colour = torch.where(self._eye[:, None], white[:, None], colour)
        colour = torch.where(hair[..., None], looks.hair[:, None], colour)
        return torch.nn.functional.pad(colour, (0, 1)), cloth

    def _things(self, draws: Draws, things: Things) -> tuple[Tensor, ...]:
        n, k = things.present.shape
        grid = self._solid[None, None]
        powers = things.roundness[:, :, None, [1, 1, 0]]
        # On the unit sphere x = cos u cos v ...; raising each factor makes it square.
        solid = grid.sign() * grid.abs().clamp(min=1e-4) ** powers
        size = solid * things.half[:, :, None]
        position = apply(things.rotation, size) + things.centre[:, :, None]
        rest = size + draws.uniform(0.0, 50.0, n, k, 1, 3)
        count = self._counts[3]
        kinds = torch.arange(THING, THING + k, device=position.device, dtype=torch.uint8)
        label = torch.where(things.present, OTHER_LABEL, HIDDEN).to(torch.uint8)
        return (
            position.flatten(1, 2),
            rest.flatten(1, 2),
            position.new_zeros(n, k * grid.shape[2], 4),
            kinds.repeat_interleave(count).expand(n, -1),
            label.repeat_interleave(count, dim=1),
        )

    def _materials(self, draws: Draws, looks: Looks, n: int) -> Tensor:
        table = torch.zeros(n, NUM_MATERIALS, 8, device=draws.device)
        table[:, [SKIN, FACE], 0] = _VERTEX_COLOUR
        table[:, SKIN, 3:6] = torch.stack([looks.grain, looks.bump, looks.gloss], 1)
        table[:, FACE, 3:6] = torch.stack([looks.grain, looks.bump * 0.4, looks.gloss], 1)
        table[:, [SKIN, FACE], 6] = 1.0
        for row, colour in (
            (SLEEVE, looks.sleeve),
            (STRIPE, looks.stripe),
            (WATCH, looks.watch),
            (SHIRT, looks.shirt),
        ):
            table[:, row, :3] = colour.clamp(min=0)
            table[:, row, 3:6] = table.new_tensor([0.35, 0.25, 0.05])
        table[:, WATCH, 3:6] = table.new_tensor([0.05, 0.0, 0.5])
        things = table[:, THING:]
        things[..., :3] = random_colours(draws, n * NUM_THINGS).view(n, NUM_THINGS, 3).clamp(min=0)
        things[..., 3] = draws.uniform(0.0, 0.5, n, NUM_THINGS)
        things[..., 4] = draws.uniform(0.0, 0.3, n, NUM_THINGS)
        things[..., 5] = draws.beta(1.0, 2.0, n, NUM_THINGS)
        return table


def _sphere_grid(device: torch.device) -> tuple[Tensor, Tensor]:
    """Unit sphere (V, 3) of rings from pole to pole, and its faces (F, 3)."""
    u = torch.linspace(-np.pi / 2, np.pi / 2, _RINGS)
    w = (torch.arange(_AROUND) + 0.5) * 2 * np.pi / _AROUND
    x = torch.cos(u)[:, None] * torch.cos(w)
    y = torch.cos(u)[:, None] * torch.sin(w)
    v = torch.stack([x, y, torch.sin(u)[:, None].expand_as(x)], 2).reshape(-1, 3)
    i = (torch.arange(_RINGS - 1) * _AROUND)[:, None]
    j, k = torch.arange(_AROUND), (torch.arange(_AROUND) + 1) % _AROUND
    lower = torch.stack([i + j, i + k, i + j + _AROUND], 2)
    upper = torch.stack([i + k, i + k + _AROUND, i + j + _AROUND], 2)
    return v.to(device), torch.cat([lower, upper]).reshape(-1, 3).to(device)
