# SPDX-License-Identifier: Apache-2.0
"""A page of labelled pictures to check by eye."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from digit_core import Hand, TwoHands, boxes, draw_hands
from digit_core.media import Media

_COLUMNS, _TILE_PX, _LINE_PX = 6, 240, 16
#: What is shown over the extent of the hands.
_AROUND = 2.0
_BLACK = (0, 0, 0)


def sheet(folder: Path, entries: Sequence[dict[str, Any]], most: int) -> np.ndarray:
    """Pictures spread evenly over all entries, cut about their hands: (H, W, 3) uint8 RGB.

    Under each are the views that agree on each hand, and "open" where more hands may be there.
    Joints that are not sure are not drawn.

    Args:
        folder: of the pictures.
        entries: of labels.json, at least one.
        most: pictures.
    """
    places = np.linspace(0, len(entries) - 1, min(most, len(entries))).round().astype(int)
    tiles = [_tile(folder, entries[i]) for i in places]
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % _COLUMNS)
    rows = [np.hstack(tiles[i : i + _COLUMNS]) for i in range(0, len(tiles), _COLUMNS)]
    return np.vstack(rows)


def _tile(folder: Path, entry: dict[str, Any]) -> np.ndarray:
    (image,) = Media.open(folder / entry["image"]).frames()
    left, top, right, bottom = _shown(entry, image.shape[1], image.shape[0])
    image = image[top:bottom, left:right]
    scale = _TILE_PX / max(image.shape[:2])
    size = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    hands = {hand["side"]: _hand(hand, (left, top), scale) for hand in entry["hands"]}
    labels = np.zeros(image.shape[:2], np.uint8)
    drawn = draw_hands(image, TwoHands(hands.get("right"), hands.get("left"), labels), parts=False)
    tile = np.full((_TILE_PX + _LINE_PX, _TILE_PX, 3), 255, np.uint8)
    tile[: size[1], : size[0]] = drawn
    words = [f"{hand['side'][0].upper()} {hand['support']}" for hand in entry["hands"]]
    text = ", ".join(words or ["none"]) + ("" if entry["complete"] else ", open")
    where = (4, _TILE_PX + _LINE_PX - 4)
    cv2.putText(tile, text, where, cv2.FONT_HERSHEY_SIMPLEX, 0.4, _BLACK, 1, cv2.LINE_AA)
    return tile


def _shown(entry: dict[str, Any], width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is shown: much about the hands, all where none is."""
    if not entry["hands"]:
        return 0, 0, width, height
    points = np.concatenate([hand["keypoints_2d"] for hand in entry["hands"]])
    x, y, side, _ = boxes.square(boxes.tight(points), _AROUND).astype(int).tolist()
    left, top = (min(max(v, 0), n - 1) for v, n in ((x, width), (y, height)))
    right, bottom = (max(min(v + side, n), 1) for v, n in ((x, width), (y, height)))
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _hand(hand: dict[str, Any], corner: tuple[int, int], scale: float) -> Hand:
    joints = (np.array(hand["keypoints_2d"], np.float32) - corner + 0.5) * scale - 0.5
    sure = np.array(hand["sure"], bool)
    return Hand(
        side=hand["side"],
        confidence=1 - hand["spread"],
        joints_2d=np.where(sure[:, None], joints, np.nan).astype(np.float32),
        joints_relative=np.full((21, 3), np.nan, np.float32),
        joints_3d=None,
        joint_confidence=sure.astype(np.float32),
        joint_sigma_px=np.zeros(21, np.float32),
        valid=sure,
        box=np.array(hand["bbox"], np.float32) * scale,
    )
