# SPDX-License-Identifier: Apache-2.0
"""Hands made by hand: exact joints and cameras, and networks that paint what they are told."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from digit_core.camera import Camera
from digit_core.estimator import DigitEstimator
from digit_core.network.detector import DETECTOR_SIZE, STRIDE, UNIT_SIDE_PX, DetectorOutput
from digit_core.network.output import DigitOutput
from digit_core.settings import Settings
from digit_core.skeleton import NUM_JOINTS, network_from_public
from digit_core.weights import Networks

#: Of the detector's maps, along each side.
CELLS = DETECTOR_SIZE // STRIDE


@pytest.fixture
def camera() -> Camera:
    return Camera(600.0, 610.0, 321.0, 238.0, 640, 480)


def flat_hand(side: str = "right") -> np.ndarray:
    """A hand (21, 3) in metres, public order, wrist at the origin.

    Fingers toward -y (up in the picture), back of the hand toward the camera (-z), a little bent.
    """
    joints = np.zeros((NUM_JOINTS, 3))
    # Right hand, back toward the viewer, fingers up: the thumb is on the picture's left.
    across = (-0.035, -0.027, -0.005, 0.015, 0.033)
    base = (0.035, 0.088, 0.092, 0.086, 0.078)
    segments = ((0.04, 0.03, 0.025), (0.04, 0.025, 0.02), (0.045, 0.028, 0.022),
                (0.041, 0.026, 0.021), (0.033, 0.02, 0.018))  # fmt: skip
    for finger in range(5):
        y, z = base[finger], 0.0
        joints[1 + 4 * finger] = (across[finger], -y, z)
        for i, length in enumerate(segments[finger]):
            bend = 0.2 * (i + 1)
            y, z = y + length * np.cos(bend), z + length * np.sin(bend)
            joints[2 + 4 * finger + i] = (across[finger] * (1.1 + 0.05 * i), -y, z)
    if side == "left":
        joints[:, 0] *= -1
    return joints


def rotation(degrees_xyz: tuple[float, float, float]) -> np.ndarray:
    """Rotation matrix (3, 3): about x, then y, then z."""
    matrix = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees_xyz)):
        i, j = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


def placed_hand(
    side: str = "right",
    at: tuple[float, float, float] = (0.0, 0.05, 0.6),
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> np.ndarray:
    """`flat_hand` (21, 3) in the camera frame, metres."""
    return flat_hand(side) @ rotation(turn).T + np.array(at)


class Scene:
    """Hands that an estimator built by `estimator` will find: the image does not matter.

    Attributes:
        hands: side to joints (21, 3) in metres in the camera frame.
        presence: side to presence logit; absent hands are not seen.
        detector: side to score logit.
    """

    def __init__(self, camera: Camera, **hands: np.ndarray) -> None:
        self.camera = camera
        self.hands = hands
        self.presence = dict.fromkeys(hands, 6.0)
        self.detector = dict.fromkeys(hands, 4.0)
        self.sigma_cells = 1.0
        #: What the networks call each hand; to be exchanged by tests of sides.
        self.named = {side: side for side in hands}

    def pixels(self, side: str) -> np.ndarray:
        return self.camera.project(self.hands[side])


def paint_heatmaps(xy: np.ndarray, sigma: float) -> torch.Tensor:
    """Scores (J, 64, 64) whose softmax is a Gaussian about xy (J, 2), cells, index convention."""
    cell = torch.arange(64, dtype=torch.float32)
    x, y = (torch.tensor(xy[:, i], dtype=torch.float32)[:, None] for i in (0, 1))
    gx, gy = -((cell - x) ** 2) / (2 * sigma**2), -((cell - y) ** 2) / (2 * sigma**2)
    return gy[:, :, None] + gx[:, None, :]


class PaintedPose(nn.Module):
    """Answers as a perfect network would for the crops that the estimator was about to show.

    It needs the crops: the estimator under test is watched through `crops`, filled by `Watched`.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self.scene = scene
        self.crops: list = []
        self.batches: list[int] = []

    def forward(self, images: torch.Tensor) -> DigitOutput:
        self.batches.append(len(images))
        answers = [self.answer(crop) for crop in self.crops]
        assert len(answers) == len(images)
        return DigitOutput(*(torch.stack(parts) for parts in zip(*answers, strict=True)))

    def answer(self, crop) -> tuple[torch.Tensor, ...]:
        cells, logits = np.full((2, NUM_JOINTS, 3), 32.0), np.full(2, -6.0)
        parts = torch.zeros(33, 128, 128)
        parts[0] = 1.0
        wrist = {}
        for side, joints in self.scene.hands.items():
            i = ("right", "left").index(self.scene.named[side])
            patch = crop.to_patch(self.scene.pixels(side))
            if not ((patch > -8) & (patch < 264)).all(axis=1).mean() > 0.6:
                continue  # not in this crop
            cells[i, :, :2] = patch / 4
            cells[i, :, 2] = ((joints[:, 2] - joints[0, 2]) / 0.4 + 0.5) * 64
            logits[i] = self.scene.presence[side]
            wrist[i] = joints[0, 2]
            low, high = patch.min(axis=0) / 2, patch.max(axis=0) / 2
            x0, y0, x1, y1 = (int(np.clip(v, 0, 128)) for v in (*low, *high))
            parts[9 + 16 * i, y0:y1, x0:x1] = 5.0 - i
        both = network_from_public(cells[0], cells[1])
        root = ((wrist[1] - wrist[0]) / 0.4 + 0.5) * 64 if len(wrist) == 2 else 32.0
        return (
            paint_heatmaps(both[:, :2] - 0.5, self.scene.sigma_cells),
            torch.tensor(both, dtype=torch.float32),
            torch.tensor([root], dtype=torch.float32),
            torch.tensor(logits, dtype=torch.float32),
            parts,
        )


class PaintedDetector(nn.Module):
    """Peaks at the scene's hands, for images of the camera's size."""

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self.scene = scene
        self.calls = 0

    def forward(self, images: torch.Tensor) -> DetectorOutput:
        self.calls += 1
        scores, boxes = np.full((1, CELLS, CELLS), -8.0), np.zeros((3, CELLS, CELLS))
        for side in self.scene.hands:
            if side in self.scene.detector:
                self.paint(side, scores, boxes)
        batch = len(images)
        scores, boxes = (torch.tensor(m, dtype=torch.float32) for m in (scores, boxes))
        return DetectorOutput(scores.repeat(batch, 1, 1, 1), boxes.repeat(batch, 1, 1, 1))

    def paint(self, side: str, scores: np.ndarray, boxes: np.ndarray) -> None:
        width, height = self.scene.camera.width, self.scene.camera.height
        scale = DETECTOR_SIZE / max(width, height)
        offset = (DETECTOR_SIZE - np.round(np.array([width, height]) * scale)) // 2
        points = (self.scene.pixels(side) + 0.5) * scale - 0.5 + offset
        low, high = points.min(axis=0), points.max(axis=0)
        center = (low + high) / 2
        column, row = np.clip((center / STRIDE).astype(int), 0, CELLS - 1)
        scores[0, row, column] = self.scene.detector[side]
        boxes[:2, row, column] = center / STRIDE - 0.5 - (column, row)
        boxes[2, row, column] = np.log((high - low).max() / UNIT_SIDE_PX)


class Watched(DigitEstimator):
    """Tells the painted network which crops are coming."""

    def _read(self, frames):
        self.networks.pose.crops = [look.crop for frame in frames for look in frame.looks]
        return super()._read(frames)


@pytest.fixture
def made() -> SimpleNamespace:
    """What tests build hands of: a module of this folder cannot be imported by name."""
    return SimpleNamespace(
        flat_hand=flat_hand, placed_hand=placed_hand, rotation=rotation, Scene=Scene
    )


@pytest.fixture
def estimator_of() -> Callable[..., Watched]:
    def make(scene: Scene, settings: Settings | None = None, hand_size_m: float | None = None):
        device = torch.device("cpu")
        networks = Networks(PaintedPose(scene), PaintedDetector(scene), "painted", "", device)
        return Watched(networks, hand_size_m, settings)

    return make


@pytest.fixture
def blank() -> np.ndarray:
    return np.full((480, 640, 3), 90, np.uint8)
