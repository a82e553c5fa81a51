# SPDX-License-Identifier: Apache-2.0
"""Pictures for people: skeletons and part colours over an image."""

import cv2
import numpy as np

from digit_core.hands import Hand, TwoHands
from digit_core.parts import LEFT_OFFSET, PALETTE, Part
from digit_core.skeleton import BONES, FINGERS, NUM_JOINTS, WRIST

#: Fractional bits of OpenCV's drawing coordinates: skeletons move by parts of a pixel.
_SHIFT = 4
_SIDE_COLOR = {"right": (255, 80, 60), "left": (60, 130, 255)}
#: Joints beyond this many image sizes are not drawn; OpenCV's coordinates are 16 bits wide.
_FAR = 4


def draw_hands(
    image: np.ndarray, hands: TwoHands, parts: bool = True, opacity: float = 0.45
) -> np.ndarray:
    """Draw the hands over a copy of the image.

    Each finger has its colour; the right hand has round joints and a red name, the left square
    joints and a blue one.

    Args:
        image: (H, W, 3) uint8 RGB, the one that the hands are of.
        hands: as estimated.
        parts: blend the part colours in as well.
        opacity: of the part colours, 0 to 1.

    Returns:
        (H, W, 3) uint8 RGB.

    >>> image = np.zeros((480, 640, 3), np.uint8)
    >>> draw_hands(image, TwoHands(None, None, np.zeros((480, 640), np.uint8))).shape
    (480, 640, 3)
    """
    canvas = np.ascontiguousarray(image).copy()
    if parts and (hands.right or hands.left):
        blend_parts(canvas, hands.segmentation, opacity)
    for hand in hands:
        _draw_skeleton(canvas, hand)
    return canvas


def color_parts(labels: np.ndarray) -> np.ndarray:
    """Colours (H, W, 3) uint8 RGB of part labels (H, W) uint8.

    >>> color_parts(np.array([[0, Part.PALM]], np.uint8)).tolist()
    [[[0, 0, 0], [170, 170, 170]]]
    """
    return np.take(PALETTE, labels, axis=0)


def blend_parts(canvas: np.ndarray, labels: np.ndarray, opacity: float = 0.45) -> None:
    """Blend part colours into an image (H, W, 3) uint8, in place, where a part is."""
    rows, columns = (np.flatnonzero(labels.any(axis=axis)) for axis in (1, 0))
    if len(rows) == 0:
        return
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    region, parts = canvas[window], labels[window]
    mixed = cv2.addWeighted(region, 1 - opacity, color_parts(parts), opacity, 0)
    np.copyto(region, mixed, where=(parts > 0)[..., None])


def _draw_skeleton(canvas: np.ndarray, hand: Hand) -> None:
    height, width = canvas.shape[:2]
    near = np.abs(hand.joints_2d) < _FAR * max(height, width) + 1000
    shown = hand.valid & near.all(axis=1)
    points = np.zeros((NUM_JOINTS, 2), np.int32)
    points[shown] = np.round(hand.joints_2d[shown] * 2**_SHIFT).astype(np.int32)
    colors = _joint_colors(hand.side)
    thickness = max(1, round(float(hand.box[2]) / 120))
    for a, b in BONES:
        if shown[a] and shown[b]:
            _line(canvas, points[a], points[b], colors[b], thickness)
    for point, color in zip(points[shown], colors[shown], strict=True):
        _joint(canvas, point, color, thickness, hand.side)
    if shown[WRIST]:
        _name(canvas, hand, thickness)


def _joint_colors(side: str) -> np.ndarray:
    """(21, 3) colour of each joint, that of the segment toward the wrist."""
    offset = LEFT_OFFSET if side == "left" else 0
    colors = np.empty((NUM_JOINTS, 3), np.uint8)
    colors[WRIST] = _SIDE_COLOR[side]
    for i, finger in enumerate(FINGERS):
        colors[1 + 4 * i : 5 + 4 * i] = PALETTE[Part[f"{finger.upper()}_DISTAL"] + offset]
    return colors


def _line(canvas: np.ndarray, a: np.ndarray, b: np.ndarray, color: np.ndarray, width: int) -> None:
    start, end = (int(a[0]), int(a[1])), (int(b[0]), int(b[1]))
    cv2.line(canvas, start, end, (0, 0, 0), width + 2, cv2.LINE_AA, _SHIFT)
    cv2.line(canvas, start, end, color.tolist(), width, cv2.LINE_AA, _SHIFT)


def _joint(canvas: np.ndarray, point: np.ndarray, color: np.ndarray, width: int, side: str) -> None:
    radius = (width + 1) << _SHIFT
    x, y = int(point[0]), int(point[1])
    if side == "right":
        cv2.circle(canvas, (x, y), radius, color.tolist(), cv2.FILLED, cv2.LINE_AA, _SHIFT)
        cv2.circle(canvas, (x, y), radius, (0, 0, 0), 1, cv2.LINE_AA, _SHIFT)
        return
    low, high = (x - radius, y - radius), (x + radius, y + radius)
    cv2.rectangle(canvas, low, high, color.tolist(), cv2.FILLED, cv2.LINE_AA, _SHIFT)
    cv2.rectangle(canvas, low, high, (0, 0, 0), 1, cv2.LINE_AA, _SHIFT)


def _name(canvas: np.ndarray, hand: Hand, width: int) -> None:
    x, y = (int(v) for v in np.round(hand.joints_2d[WRIST]))
    size = 0.3 + 0.15 * width
    at = (x + 4 * width, y + 8 * width)
    text = f"{hand.side[0].upper()} {hand.confidence:.2f}"
    for color, stroke in (((0, 0, 0), width + 2), (_SIDE_COLOR[hand.side], width)):
        cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, color, stroke, cv2.LINE_AA)
