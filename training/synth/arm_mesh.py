# SPDX-License-Identifier: Apache-2.0
"""Dress a posed arm: skin, nails, palms, sleeves and watches; part labels per triangle."""

from dataclasses import dataclass

import numpy as np

from digit_core.parts import LEFT_OFFSET, Part
from training.synth.hand_model import ArmShape, HandModel, PosedArm
from training.synth.renderer import OTHER_LABEL, Mesh

#: sRGB skin tones from light to dark; a person's is drawn between two neighbours.
_SKIN_TONES = (
    np.array(
        [
            [250, 222, 205],
            [240, 200, 172],
            [226, 178, 142],
            [205, 150, 112],
            [172, 116, 78],
            [126, 80, 54],
            [82, 52, 38],
        ]
    )
    / 255.0
)
#: Triangles further behind the wrist than this are forearm, not palm.
_WRIST_CAP_M = 0.018
_SEGMENTS = ("PROXIMAL", "MIDDLE", "DISTAL")
_FINGER_PARTS = [
    [int(Part[f"{name}_{s}"]) for s in _SEGMENTS]
    for name in ("THUMB", "INDEX", "MIDDLE", "RING", "PINKY")
]


@dataclass
class Dress:
    """Looks of one person's arms, linear RGB and metres.

    Attributes:
        skin, palm: albedo of the back of the hand and of the palm.
        nail: albedo of the nails.
        grain, bump, gloss: of the skin.
        sleeve_from_m: distance behind the wrist where the sleeve begins; None for bare arms.
        sleeve_thickness_m: how far cloth stands off.
        sleeve: albedo of the cloth, a stripe colour, stripe width (m, 0 for none).
        watch_m: distance behind the wrist of a band, or None.
        watch: its albedo.
    """

    skin: np.ndarray
    palm: np.ndarray
    nail: np.ndarray
    grain: float
    bump: float
    gloss: float
    sleeve_from_m: float | None
    sleeve_thickness_m: float
    sleeve: tuple[np.ndarray, np.ndarray, float]
    watch_m: float | None
    watch: np.ndarray


def linear(srgb: np.ndarray) -> np.ndarray:
    """sRGB in 0..1 to linear RGB by a gamma of 2.2, as the shader writes it."""
    return np.power(np.clip(srgb, 0, 1), 2.2)


def random_colour(rng: np.random.Generator) -> np.ndarray:
    """A cloth or thing colour: often grey, black or white, else anything; linear RGB (3,)."""
    if rng.random() < 0.4:
        return linear(
            np.full(3, rng.choice([rng.uniform(0.03, 0.2), rng.uniform(0.2, 0.9)]))
            + rng.normal(0, 0.02, 3)
        )
    return linear(rng.uniform(0.03, 0.95, 3))


def random_dress(rng: np.random.Generator) -> Dress:
    """One person's skin and clothes."""
    t = rng.beta(0.9, 1.1) * (len(_SKIN_TONES) - 1)
    low = min(int(t), len(_SKIN_TONES) - 2)
    tone = _SKIN_TONES[low] * (1 - (t - low)) + _SKIN_TONES[low + 1] * (t - low)
    tone = tone * (1 + rng.normal(0, 0.035, 3)) * rng.uniform(0.9, 1.08)
    darkness = t / (len(_SKIN_TONES) - 1)
    pale = np.array([0.85, 0.62, 0.5]) * rng.uniform(0.85, 1.1)
    palm = tone + (0.15 + 0.55 * darkness) * rng.uniform(0.4, 1.0) * (pale - tone)
    nail = palm * np.array([1.05, 0.98, 0.97]) + 0.04
    if rng.random() < 0.15:
        nail = rng.uniform(0.05, 0.95, 3)
    sleeved = rng.random() < 0.62
    near = rng.random() < 0.55
    return Dress(
        skin=linear(tone),
        palm=linear(palm),
        nail=linear(nail),
        grain=float(rng.uniform(0.03, 0.22)),
        bump=float(rng.uniform(0.0, 0.55)),
        gloss=float(rng.beta(1.2, 2.5)),
        sleeve_from_m=float(rng.uniform(0.012, 0.06) if near else rng.uniform(0.06, 0.34))
        if sleeved
        else None,
        sleeve_thickness_m=float(rng.uniform(0.002, 0.016)),
        sleeve=(
            random_colour(rng),
            random_colour(rng),
            float(rng.choice([0, 0, rng.uniform(0.006, 0.03)])),
        ),
        watch_m=float(rng.uniform(0.025, 0.06)) if rng.random() < 0.18 else None,
        watch=random_colour(rng),
    )


class ArmDresser:
    """Turns posed arms into meshes; keeps what depends on the topology alone."""

    def __init__(self, model: HandModel) -> None:
        self._model = model
        self._corners = model.faces.reshape(-1)
        self._corners_left = model.faces[:, ::-1].reshape(-1)

    def mesh(self, arm: PosedArm, shape: ArmShape, dress: Dress, rng: np.random.Generator) -> Mesh:
        """The dressed mesh of an arm that stands in the camera frame."""
        corners = self._corners_left if arm.is_left else self._corners
        faces = corners.reshape(-1, 3)
        vertices = arm.vertices
        normals = vertex_normals(vertices, faces)
        behind = self._distance_behind_wrist(shape)
        cover = self._cover(behind, dress)
        seed = rng.uniform(0, 50, 3)
        folds = 1 + 0.5 * np.sin(behind * 160 + 3 * np.sin(shape.vertices[:, 0] * 120 + seed[0]))
        vertices = vertices + normals * (cover * dress.sleeve_thickness_m * folds)[:, None]
        if cover.any():
            normals = vertex_normals(vertices, faces)
        cloth = cover[faces].min(1) > 0.5
        colour, surface = self._paint(shape, dress, faces, cloth, behind)
        return Mesh(
            position=vertices[corners],
            normal=normals[corners],
            colour=colour,
            rest=shape.vertices[corners] + seed,
            surface=surface,
            label=np.repeat(self._labels(behind, faces, cloth, arm.is_left), 3),
        )

    def _distance_behind_wrist(self, shape: ArmShape) -> np.ndarray:
        axis = shape.joints[21] / np.linalg.norm(shape.joints[21])
        return shape.vertices @ axis

    def _cover(self, behind: np.ndarray, dress: Dress) -> np.ndarray:
        if dress.sleeve_from_m is None:
            return np.zeros_like(behind)
        on_arm = self._model.weights[:, :2].sum(1) > 0.3
        return ((behind > dress.sleeve_from_m) & (on_arm | (behind > 0.02))).astype(float)

    def _paint(self, shape, dress, faces, cloth, behind) -> tuple[np.ndarray, np.ndarray]:
        model, count = self._model, len(faces) * 3
        corners = faces.reshape(-1)
        palmar = np.clip((vertex_normals(shape.vertices, model.faces)[:, 2] + 0.25) / 0.7, 0, 1)
        palmar = palmar * (1 - np.clip((behind - 0.01) / 0.05, 0, 1))
        albedo = dress.skin + palmar[:, None] * (dress.palm - dress.skin)
        redness = self._redness(shape)
        albedo = albedo * (1 + redness[:, None] * np.array([0.06, -0.1, -0.08]))
        albedo = albedo + model.nail[:, None] * (dress.nail - albedo)
        colour = albedo[corners]
        surface = np.tile([dress.grain, dress.bump, dress.gloss, 1.0], (count, 1))
        surface[:, 2] = np.clip(surface[:, 2] + 0.4 * model.nail[corners], 0, 1)
        if dress.watch_m is not None:
            band = np.abs(behind[faces].mean(1) - dress.watch_m) < 0.011
            colour[np.repeat(band & ~cloth, 3)] = dress.watch
        cloth_corners = np.repeat(cloth, 3)
        base, stripe, width = dress.sleeve
        colour[cloth_corners] = base
        if width > 0:
            striped = np.repeat(np.floor(behind[faces].mean(1) / width) % 2 == 0, 3) & cloth_corners
            colour[striped] = stripe
        surface[cloth_corners] = (0.35, 0.25, 0.05, 0.0)
        return colour, surface

    def _redness(self, shape: ArmShape) -> np.ndarray:
        """Knuckles and fingertips carry more blood; (N,) 0 to 1."""
        spots = shape.joints[[4, 5, 6, 8, 9, 10, 12, 13, 14, 16, 17, 18, 20]]
        distance = np.linalg.norm(shape.vertices[:, None] - spots[None], axis=2).min(1)
        return np.exp(-((distance / 0.009) ** 2))

    def _labels(self, behind, faces, cloth, is_left: bool) -> np.ndarray:
        bone = self._model.face_bone
        label = np.where(behind[faces].mean(1) < _WRIST_CAP_M, int(Part.PALM), OTHER_LABEL)
        fingers = bone >= 3
        label[fingers] = np.array(_FINGER_PARTS).reshape(-1)[bone[fingers] - 3]
        label[cloth] = OTHER_LABEL
        return np.where((label < OTHER_LABEL) & is_left, label + LEFT_OFFSET, label).astype(
            np.float64
        )


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals (N, 3) of vertices (N, 3) with faces (F, 3), weighed by area."""
    a, b, c = vertices[faces[:, 0]], vertices[faces[:, 1]], vertices[faces[:, 2]]
    normal = np.cross(b - a, c - a)
    out = np.empty_like(vertices)
    index = faces.reshape(-1)
    for axis in range(3):
        out[:, axis] = np.bincount(index, np.repeat(normal[:, axis], 3), minlength=len(vertices))
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)
