# SPDX-License-Identifier: Apache-2.0
"""Procedural backgrounds: plain walls, gradients, noise, patterns, clutter; no pictures needed."""

import cv2
import numpy as np


def random_background(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """One background, RGB (H, W, 3) uint8."""
    kind = rng.choice(5, p=(0.2, 0.14, 0.2, 0.12, 0.34))
    maker = (_plain, _gradient, _clouds, _pattern, _clutter)[kind]
    picture = maker(rng, height, width)
    if rng.random() < 0.3:
        k = int(rng.choice([3, 5, 9, 15]))
        picture = cv2.blur(picture, (k, k))
    return picture


def _colour(rng: np.random.Generator) -> np.ndarray:
    kind = rng.random()
    if kind < 0.35:
        return np.clip(np.full(3, rng.uniform(0, 255)) + rng.normal(0, 8, 3), 0, 255)
    if kind < 0.55:  # wood, skin and other warm things that a hand must be told from
        t = rng.uniform(0.15, 1.0)
        return np.clip(np.array([235, 185, 145]) * t * (1 + rng.normal(0, 0.08, 3)), 0, 255)
    colour = rng.uniform(0, 255, 3)
    return colour.mean() + rng.beta(1.2, 1.6) * (colour - colour.mean())


def _plain(rng, height, width) -> np.ndarray:
    level = rng.choice([255.0, 250.0, rng.uniform(0, 30), rng.uniform(0, 255)])
    colour = np.full(3, level) if rng.random() < 0.6 else _colour(rng)
    return np.broadcast_to(colour.astype(np.uint8), (height, width, 3)).copy()


def _gradient(rng, height, width) -> np.ndarray:
    corners = np.stack([_colour(rng) for _ in range(4)]).reshape(2, 2, 3).astype(np.float32)
    return cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8)


def _clouds(rng, height, width) -> np.ndarray:
    out = np.zeros((height, width, 3), np.float32)
    total = 0.0
    for octave in rng.choice([2, 3, 5, 9, 17, 33, 65], size=3, replace=False):
        weight = 1.0 / octave ** rng.uniform(0.1, 0.9)
        noise = rng.random((octave + 1, octave + 1, rng.choice([1, 3])), dtype=np.float32)
        out += weight * cv2.resize(
            np.broadcast_to(noise, (*noise.shape[:2], 3)).copy(),
            (width, height),
            interpolation=cv2.INTER_CUBIC,
        )
        total += weight
    a, b = _colour(rng), _colour(rng)
    mix = np.clip((out / total - 0.5) * rng.uniform(1, 3) + 0.5, 0, 1)
    return (a + mix * (b - a)).astype(np.uint8)


def _pattern(rng, height, width) -> np.ndarray:
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle, period = rng.uniform(0, np.pi), rng.uniform(6, 70)
    u = np.cos(angle) * x + np.sin(angle) * y
    v = -np.sin(angle) * x + np.cos(angle) * y
    wave = np.sin(u * 2 * np.pi / period)
    if rng.random() < 0.5:
        wave = wave * np.sin(v * 2 * np.pi / (period * rng.uniform(0.5, 2)))
    if rng.random() < 0.5:
        wave = np.sign(wave)
    a, b = _colour(rng), _colour(rng)
    return (a + (wave[..., None] * 0.5 + 0.5) * (b - a)).astype(np.uint8)


def _clutter(rng, height, width) -> np.ndarray:
    picture = (_gradient, _clouds, _plain)[rng.integers(3)](rng, height, width)
    side = max(height, width)
    for _ in range(rng.integers(4, 28)):
        colour = tuple(float(c) for c in _colour(rng))
        centre = rng.uniform(0, 1, 2) * (width, height)
        radius = side * rng.beta(1, 4, 2) * 0.6 + 2
        kind = rng.integers(5)
        if kind == 0:
            cv2.ellipse(
                picture,
                tuple(map(int, centre)),
                tuple(map(int, radius)),
                rng.uniform(0, 180),
                0,
                360,
                colour,
                -1,
                cv2.LINE_AA,
            )
        elif kind == 1:
            points = cv2.boxPoints((tuple(centre), tuple(radius * 2), float(rng.uniform(0, 90))))
            cv2.fillConvexPoly(picture, points.astype(np.int32), colour, cv2.LINE_AA)
        elif kind == 2:
            end = rng.uniform(0, 1, 2) * (width, height)
            cv2.line(
                picture,
                tuple(map(int, centre)),
                tuple(map(int, end)),
                colour,
                int(rng.integers(1, 14)),
                cv2.LINE_AA,
            )
        elif kind == 3:
            points = centre + rng.normal(0, 1, (rng.integers(3, 7), 2)) * radius
            cv2.fillPoly(picture, [points.astype(np.int32)], colour, cv2.LINE_AA)
        else:
            # Bunches of sticks, so that stripes of skin colour are no hand by themselves.
            step = rng.normal(0, 1, 2) * radius.mean() * 0.3
            direction = rng.normal(0, 1, 2) * radius.mean()
            for i in range(rng.integers(2, 6)):
                a = centre + i * step
                cv2.line(
                    picture,
                    tuple(map(int, a)),
                    tuple(map(int, a + direction)),
                    colour,
                    int(max(2, np.hypot(*step) * 0.7)),
                    cv2.LINE_AA,
                )
    return picture
