# SPDX-License-Identifier: Apache-2.0
"""Finding the hands in a full frame: letterbox in, the detector's maps out, boxes chosen."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from digit_core import boxes
from digit_core.network.detector import DETECTOR_SIZE as INPUT
from digit_core.network.detector import STRIDE, UNIT_SIDE_PX, DetectorOutput
from digit_core.pair import Candidate

GREY = 128
#: Boxes that overlap more are the same hand.
SAME_HAND_IOU = 0.5
#: Places are looked at from the likeliest down, while their score is this share of its.
_LEAST_SHARE = 0.3
_MOST = 8


@dataclass(frozen=True)
class Letterbox:
    """How an image was fitted into the detector's square input.

    Attributes:
        scale_x, scale_y: input pixels per image pixel.
        left, top: padding, input pixels.
    """

    scale_x: float
    scale_y: float
    left: int
    top: int

    def box_to_image(self, box: np.ndarray) -> np.ndarray:
        """Box (4,) in input pixels to image pixels; pixel centres map as cv2.resize does."""
        x, y, w, h = box
        return np.array(
            [
                (x - self.left + 0.5) / self.scale_x - 0.5,
                (y - self.top + 0.5) / self.scale_y - 0.5,
                w / self.scale_x,
                h / self.scale_y,
            ]
        )


@dataclass(frozen=True)
class Detection:
    """One place where a hand may be.

    Attributes:
        score: probability.
        box: (4,) the square about the hand's joints, image pixels.
    """

    score: float
    box: np.ndarray

    @property
    def rank(self) -> float:
        """What is chosen by where several people show hands: the surest and largest."""
        return self.score * math.sqrt(max(float(self.box[2] * self.box[3]), 0.0))


def letterbox(image: np.ndarray) -> tuple[np.ndarray, Letterbox]:
    """Fit an image (H, W, 3) uint8 into the detector's square (S, S, 3): centred, grey around."""
    height, width = image.shape[:2]
    scale = INPUT / max(height, width)
    w, h = max(round(width * scale), 1), max(round(height * scale), 1)
    mode = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    fitted = cv2.resize(np.ascontiguousarray(image), (w, h), interpolation=mode)
    left, top = (INPUT - w) // 2, (INPUT - h) // 2
    canvas = np.full((INPUT, INPUT, 3), GREY, np.uint8)
    canvas[top : top + h, left : left + w] = fitted
    return canvas, Letterbox(w / width, h / height, left, top)


def detector_maps(output: DetectorOutput) -> Tensor:
    """All that detections are read from: (B, 5, S/8, S/8) float32.

    Score logits, the three of the boxes, and 1 where a score is the largest of its 3x3 neighbours.
    """
    scores = output.score_logits.float()
    peaks = functional.max_pool2d(scores, 3, stride=1, padding=1) == scores
    return torch.cat([scores, output.boxes.float(), peaks.float()], dim=1)


def detect(
    detector: Callable[[np.ndarray], np.ndarray], images: Sequence[np.ndarray], threshold: float
) -> list[list[Detection]]:
    """Run the detector on several images at once.

    Args:
        detector: (B, S, S, 3) uint8 RGB to `detector_maps`; `runtime.DetectorRuntime`.
        images: each (H, W, 3) uint8 RGB, any sizes.
        threshold: least probability.

    Returns:
        For each image its detections, the surest first.
    """
    fitted = [letterbox(image) for image in images]
    maps = detector(np.stack([canvas for canvas, _ in fitted]))
    return [
        decode(m[0], m[1:4], m[4] > 0, box, threshold)
        for m, (_, box) in zip(maps, fitted, strict=True)
    ]


def decode(
    score_logits: np.ndarray,
    box_maps: np.ndarray,
    peaks: np.ndarray,
    fit: Letterbox,
    threshold: float,
) -> list[Detection]:
    """Peaks of the maps as detections.

    Cell k of a map means: centre = (k + 0.5 + box_maps[0 or 1]) * 8, side = 32 exp(box_maps[2])
    in input pixels.

    Args:
        score_logits: (S/8, S/8).
        box_maps: (3, S/8, S/8).
        peaks: (S/8, S/8) bool, where a score is the largest of its 3x3 neighbours.
        fit: how the image was fitted in.
        threshold: least probability.

    Returns:
        Detections, the surest first; one for one place at most.
    """
    floor = math.log(threshold / (1 - threshold))
    found = []
    usable = peaks & (score_logits > floor) & np.isfinite(box_maps).all(axis=0)
    for row, column in np.argwhere(usable):
        dx, dy, log_side = (float(v) for v in box_maps[:, row, column])
        side = UNIT_SIDE_PX * math.exp(min(max(log_side, -4.0), 4.0))
        x, y = (column + 0.5 + dx) * STRIDE, (row + 0.5 + dy) * STRIDE
        box = fit.box_to_image(np.array([x - side / 2, y - side / 2, side, side]))
        found.append(Detection(1 / (1 + math.exp(-float(score_logits[row, column]))), box))
    found.sort(key=lambda d: -d.score)
    return _suppress(found)


def _suppress(found: list[Detection]) -> list[Detection]:
    """Keep the surest at each place."""
    kept: list[Detection] = []
    for detection in found:
        if len(kept) < _MOST and all(boxes.iou(d.box, detection.box) < SAME_HAND_IOU for d in kept):
            kept.append(detection)
    return kept


def choose(
    detections: Sequence[Detection], most: int, partner: np.ndarray | None = None
) -> list[Candidate]:
    """The places to look at: the pose network decides which of them are hands.

    Args:
        detections: of one image.
        most: how many to look at.
        partner: (4,) box of a hand already followed, whose like in size is preferred.

    Returns:
        Candidates, the surest and largest first.
    """
    least = _LEAST_SHARE * max((d.score for d in detections), default=0.0)

    def rank(d: Detection) -> float:
        if partner is None:
            return d.rank
        ratio = max(float(d.box[2]), 1e-6) / max(float(partner[2:].max()), 1e-6)
        return d.score * math.exp(-abs(math.log(ratio)))

    likely = sorted((d for d in detections if d.score >= least), key=lambda d: -rank(d))[:most]
    top = max((rank(d) for d in likely), default=1.0)
    return [Candidate(d.box, weight=rank(d) / max(top, 1e-9)) for d in likely]
