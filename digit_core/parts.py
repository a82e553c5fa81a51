# SPDX-License-Identifier: Apache-2.0
"""The 33 part labels of the segmentation: 0 background, right hand 1-16, left hand 17-32."""

from enum import IntEnum

import numpy as np

NUM_PARTS = 33
LEFT_OFFSET = 16


class Part(IntEnum):
    """Label of a right hand's part; a left hand's is 16 more. Numbers as in the DIGIT release."""

    BACKGROUND = 0
    RING_PROXIMAL = 1
    INDEX_MIDDLE = 2
    PINKY_PROXIMAL = 3
    MIDDLE_PROXIMAL = 4
    MIDDLE_DISTAL = 5
    RING_DISTAL = 6
    PINKY_DISTAL = 7
    THUMB_PROXIMAL = 8
    PALM = 9
    THUMB_MIDDLE = 10
    INDEX_PROXIMAL = 11
    INDEX_DISTAL = 12
    THUMB_DISTAL = 13
    PINKY_MIDDLE = 14
    MIDDLE_MIDDLE = 15
    RING_MIDDLE = 16


#: Hue of each finger on the colour wheel of OpenCV (0-179); the palm is grey.
_FINGER_HUE = {"THUMB": 4, "INDEX": 26, "MIDDLE": 60, "RING": 100, "PINKY": 140}
_SEGMENT_VALUE = {"PROXIMAL": 150, "MIDDLE": 200, "DISTAL": 255}


def label_names() -> list[str]:
    """Names of the 33 labels in order: background, right_ring_proximal, ... left_ring_middle.

    >>> label_names()[Part.PALM], label_names()[Part.PALM + LEFT_OFFSET]
    ('right_palm', 'left_palm')
    """
    right = [part.name.lower() for part in list(Part)[1:]]
    return ["background"] + [f"right_{n}" for n in right] + [f"left_{n}" for n in right]


def side_of(label: np.ndarray) -> np.ndarray:
    """Side of each label: 0 background, 1 right, 2 left. Any shape, same shape back.

    >>> side_of([Part.BACKGROUND, Part.PALM, Part.PALM + LEFT_OFFSET]).tolist()
    [0, 1, 2]
    """
    label = np.asarray(label)
    return np.where(label == 0, 0, np.where(label <= LEFT_OFFSET, 1, 2)).astype(np.uint8)


def swap_sides(label: np.ndarray) -> np.ndarray:
    """Exchange right and left labels, as a mirrored picture needs. Any shape, same dtype back.

    >>> int(swap_sides(Part.PALM)) == Part.PALM + LEFT_OFFSET
    True
    """
    label = np.asarray(label)
    return np.asarray(_SWAP[label].astype(label.dtype))


def _make_swap() -> np.ndarray:
    swap = np.arange(256)
    swap[1:17], swap[17:33] = np.arange(17, 33), np.arange(1, 17)
    return swap


def _make_palette() -> np.ndarray:
    import colorsys

    palette = np.zeros((NUM_PARTS, 3), np.uint8)
    for part in list(Part)[1:]:
        finger, _, segment = part.name.partition("_")
        hue = _FINGER_HUE.get(finger, 0) / 180.0
        value = _SEGMENT_VALUE.get(segment, 190)
        for offset, saturation in ((0, 0.85), (LEFT_OFFSET, 0.45)):
            s = 0.0 if part is Part.PALM else saturation
            v = value if part is not Part.PALM else (170 if offset == 0 else 225)
            palette[part + offset] = np.multiply(colorsys.hsv_to_rgb(hue, s, v / 255), 255)
    return palette


_SWAP = _make_swap()
#: (33, 3) uint8 RGB: fingers by hue, segments by brightness, right saturated and left pale.
PALETTE = _make_palette()
