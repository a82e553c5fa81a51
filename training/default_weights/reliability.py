# SPDX-License-Identifier: Apache-2.0
"""Reliability curves: what was claimed against what was seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

BINS = 10
_SIDE, _EDGE = 260, 44
_COLOURS = ((180, 90, 20), (30, 90, 210))  # BGR


@dataclass(frozen=True)
class Curve:
    """One curve.

    Attributes:
        name: of the curve.
        claimed, seen: (N,) probabilities.
        count: (N,) cases behind each point.
    """

    name: str
    claimed: np.ndarray
    seen: np.ndarray
    count: np.ndarray


def curve(p: np.ndarray, truth: np.ndarray, name: str = "") -> Curve:
    """Curve of probabilities (N,) against 0 or 1 (N,), ten equal bins; empty ones left out."""
    which = np.minimum((np.asarray(p) * BINS).astype(int), BINS - 1)
    full = [which == i for i in range(BINS) if (which == i).any()]
    claimed, seen = ([float(np.mean(v[rows])) for rows in full] for v in (p, truth))
    return Curve(name, np.array(claimed), np.array(seen), np.array([rows.sum() for rows in full]))


def expected_error(points: Curve) -> float:
    """Expected calibration error: mean distance of claimed and seen, weighted by count."""
    gap = np.abs(points.claimed - points.seen)
    return float((gap * points.count).sum() / max(points.count.sum(), 1))


def draw(panels: Mapping[str, Sequence[Curve]]) -> np.ndarray:
    """One panel for each name, side by side: a BGR picture."""
    return np.hstack([_panel(name, curves) for name, curves in panels.items()])


def _panel(title: str, curves: Sequence[Curve]) -> np.ndarray:
    picture = np.full((_SIDE + 2 * _EDGE, _SIDE + 2 * _EDGE, 3), 255, np.uint8)

    def at(x: float, y: float) -> tuple[int, int]:
        return round(_EDGE + x * _SIDE), round(_EDGE + (1 - y) * _SIDE)

    def write(text: str, x: int, y: int, colour: tuple[int, int, int] = (60, 60, 60)) -> None:
        cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)

    for tick in np.linspace(0, 1, 5):
        cv2.line(picture, at(tick, 0), at(tick, 1), (225, 225, 225))
        cv2.line(picture, at(0, tick), at(1, tick), (225, 225, 225))
        write(f"{tick:.2g}", at(tick, 0)[0] - 8, _EDGE + _SIDE + 15)
        write(f"{tick:.2g}", 8, at(0, tick)[1] + 4)
    cv2.line(picture, at(0, 0), at(1, 1), (150, 150, 150), 1, cv2.LINE_AA)
    write(f"{title}: seen over claimed", _EDGE, 20)
    for i, (points, colour) in enumerate(zip(curves, _COLOURS, strict=False)):
        line = np.array([at(x, y) for x, y in zip(points.claimed, points.seen, strict=True)])
        cv2.polylines(picture, [line], False, colour, 2, cv2.LINE_AA)
        for x, y in line.tolist():
            cv2.circle(picture, (x, y), 3, colour, cv2.FILLED, cv2.LINE_AA)
        write(points.name, _EDGE + 8, _EDGE + 18 + 16 * i, colour)
    return picture
