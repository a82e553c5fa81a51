# SPDX-License-Identifier: Apache-2.0
"""Draw docs/images/axes.jpg: the frames of /tf and hands_openxr on a frame of the bundled clip.

./scripts/ros-env python scripts/draw_axes.py
"""

import json
from pathlib import Path

import cv2
import numpy as np

from digit_core import Camera
from digit_core.openxr import OPENXR_NAMES, openxr_hand
from digit_core.skeleton import SIDES

ROOT = Path(__file__).resolve().parents[1]
FRAME, SCALE = 5, 2
#: Length of the drawn axes, metres: of wrist and palm, and of the others.
LONG_M, SHORT_M = 0.05, 0.014
#: x red, y green, z blue, as in RViz; OpenCV's order of colours.
COLOURS = ((60, 60, 230), (70, 200, 60), (230, 110, 40))


def main() -> None:
    """Draw and write the picture."""
    video = cv2.VideoCapture(str(ROOT / "clips" / "two_hands.mp4"))
    video.set(cv2.CAP_PROP_POS_FRAMES, FRAME)
    picture = video.read()[1]
    picture = cv2.resize(picture, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_CUBIC)
    k = json.loads((ROOT / "clips" / "two_hands.json").read_text())
    camera = Camera(k["fx"], k["fy"], k["cx"], k["cy"], k["width"], k["height"], model="none")
    with np.load(ROOT / "clips" / "two_hands_truth.npz") as truth:
        joints = dict(zip(SIDES, truth["joints_cam_m"][FRAME], strict=True))
    for side, hand in joints.items():
        for name, place, axes in named_axes(hand, side):
            length = LONG_M if name == "wrist" else SHORT_M
            draw(picture, camera.scaled(SCALE, SCALE), place, axes, length)
    cv2.imwrite(str(ROOT / "docs" / "images" / "axes.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 88])


def named_axes(hand: np.ndarray, side: str):
    """Name, place (3,) and axes (3, 3) in columns of each OpenXR joint but the metacarpals."""
    places, turns = openxr_hand(hand, side)
    for name, place, turn in zip(OPENXR_NAMES, places, turns, strict=True):
        if not name.endswith("metacarpal") and name != "palm":
            yield name, place, rotation(turn)


def rotation(q: np.ndarray) -> np.ndarray:
    """Matrix of a unit quaternion x, y, z, w."""
    vector, w = q[:3], q[3]
    cross = np.array(
        [[0, -vector[2], vector[1]], [vector[2], 0, -vector[0]], [-vector[1], vector[0], 0]]
    )
    return np.eye(3) + 2 * w * cross + 2 * cross @ cross


def draw(picture, camera: Camera, place: np.ndarray, axes: np.ndarray, length_m: float) -> None:
    """Three lines from a place, thicker for longer ones."""
    ends = camera.project(np.stack([place, *(place + length_m * axes.T)]))
    start, *tips = [tuple(int(round(16 * v)) for v in end) for end in ends]
    thick = 4 if length_m == LONG_M else 2
    for tip, colour in zip(tips, COLOURS, strict=True):
        cv2.line(picture, start, tip, colour, thick, cv2.LINE_AA, shift=4)


if __name__ == "__main__":
    main()
