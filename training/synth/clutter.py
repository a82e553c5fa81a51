# SPDX-License-Identifier: Apache-2.0
"""What stands about hands: people without arms, and simple things that occlude or are held."""

from functools import cache

import cv2
import numpy as np

from training.synth.arm_mesh import Dress, linear, random_colour, vertex_normals
from training.synth.bake import ASSETS
from training.synth.renderer import OTHER_LABEL, Mesh


class Busts:
    """Head and torso of the baked identities; body frame x to the person's left, y back, z up."""

    def __init__(self) -> None:
        with np.load(ASSETS) as data:
            self._vertices = data["bust_vertices"].astype(np.float64)
            self._faces = data["bust_faces"].astype(np.int64)
            self._lips = data["bust_lips"].astype(np.float64)
            self._eye = data["bust_eye"].astype(np.float64)
            self._head = data["bust_head"].astype(np.float64)
        self._normals = [vertex_normals(v, self._faces) for v in self._vertices]

    def mesh(self, model: np.ndarray, dress: Dress, rng: np.random.Generator) -> Mesh:
        """A random bust at `model` (4, 4) with the skin of `dress`."""
        which = rng.integers(len(self._vertices))
        v, corners = self._vertices[which], self._faces.reshape(-1)
        colour = self._paint(v, dress, rng)[corners]
        head = self._head[corners] > 0.5
        surface = np.where(
            head[:, None], [dress.grain, dress.bump * 0.4, dress.gloss, 1.0], [0.3, 0.2, 0.05, 0.0]
        )
        return Mesh(
            position=v[corners],
            normal=self._normals[which][corners],
            colour=colour,
            rest=v[corners],
            surface=surface,
            label=np.full(len(corners), float(OTHER_LABEL)),
            model=model,
            casts_shadow=False,
        )

    def _paint(self, v: np.ndarray, dress: Dress, rng: np.random.Generator) -> np.ndarray:
        head = self._head > 0.5
        top = v[head, 2].max()
        centre = np.array([0.0, v[head, 1].mean(), top - 0.11])
        from_centre = v - centre
        # Hair covers the top and the back of the head, to a random line.
        line = from_centre[:, 2] + 0.75 * from_centre[:, 1]
        hair = head & (line > rng.uniform(0.015, 0.06)) & (v[:, 2] > top - rng.uniform(0.12, 0.35))
        colour = np.tile(dress.skin, (len(v), 1))
        collar = rng.uniform(-0.10, 0.02)
        cloth = (~head) & (v[:, 2] < collar) | (v[:, 2] < collar - 0.06)
        colour[cloth] = dress.sleeve[0] if dress.sleeve_from_m is not None else random_colour(rng)
        if rng.random() < 0.85:
            colour[hair] = linear(rng.choice([0.06, 0.12, 0.25, 0.5]) * np.array([1.0, 0.8, 0.6]))
        colour += self._lips[:, None] * (dress.skin * [0.9, 0.5, 0.5] - colour)
        colour[self._eye > 0.5] = linear(np.array([0.75, 0.74, 0.73]) * rng.uniform(0.3, 1.0))
        return colour


def thing(
    centre: np.ndarray, size: np.ndarray, rng: np.random.Generator, tint: np.ndarray | None = None
) -> Mesh:
    """A box, ellipsoid or cylinder of half extents `size` (3,) about `centre`, turned at random."""
    v, faces = _unit_solid(int(rng.integers(3)))
    rotation = _random_rotation(rng)
    vertices = (v * size) @ rotation.T + centre
    corners = faces.reshape(-1)
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    flat = np.cross(b - a, c - a)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    colour = random_colour(rng) if tint is None else tint
    surface = (rng.uniform(0, 0.5), rng.uniform(0, 0.3), rng.beta(1, 2), 0.0)
    return Mesh(
        position=vertices[corners],
        normal=np.repeat(flat, 3, axis=0),
        colour=np.tile(colour, (len(corners), 1)),
        rest=(v * size)[corners] + rng.uniform(0, 50, 3),
        surface=np.tile(surface, (len(corners), 1)),
        label=np.full(len(corners), float(OTHER_LABEL)),
    )


@cache
def _unit_solid(kind: int) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and faces of a box (0), sphere (1) or cylinder (2) inside [-1, 1]^3."""
    rings, around = {
        0: ([-1, -1, 1, 1], 4),
        1: (np.linspace(-1, 1, 9), 14),
        2: ([-1, -1, 1, 1], 16),
    }[kind]
    radius = (
        np.sqrt(1 - np.square(rings))
        if kind == 1
        else np.array([0, 1, 1, 0.0]) * (2**0.5 if kind == 0 else 1)
    )
    angle = (np.arange(around) + 0.5) * 2 * np.pi / around
    v = np.concatenate(
        [
            np.stack([r * np.cos(angle), r * np.sin(angle), np.full(around, z)], 1)
            for r, z in zip(radius, rings, strict=True)
        ]
    )
    faces = []
    for i in range(len(rings) - 1):
        for j in range(around):
            a, b = i * around + j, i * around + (j + 1) % around
            faces += [(a, b, a + around), (b, b + around, a + around)]
    return v, np.array(faces)


def _random_rotation(rng: np.random.Generator) -> np.ndarray:
    rotation, _ = cv2.Rodrigues(rng.normal(0, 1.5, 3))
    return rotation
