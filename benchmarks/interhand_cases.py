# SPDX-License-Identifier: Apache-2.0
"""Made-up InterHand2.6M annotations and pictures, by seed: nothing of the data set is needed."""

from typing import NamedTuple

import cv2
import numpy as np

from training.interhand.joints import COUNT, HANDS, PER_HAND, WRISTS

HAND_TYPES = {"right": (1, 0), "left": (0, 1), "interacting": (1, 1)}
SIZE = (512, 334)  # height, width, px


class Case(NamedTuple):
    """One picture with its annotation, as the data set's files have it.

    Attributes:
        picture: (512, 334, 3) uint8.
        labels: (512, 334) uint8, 0 to 32.
        world: (42, 3) mm.
        rotation, position: (3, 3) `camrot` and (3,) `campos`, mm.
        focal, center: (2,) px.
        box: (4,) x, y, width, height, px.
        joint_valid: (42,) 0 or 1.
        hand_type: "right", "left" or "interacting".
        hand_type_valid: 0 or 1.
        labels_valid: 0 or 1.
    """

    picture: np.ndarray
    labels: np.ndarray
    world: np.ndarray
    rotation: np.ndarray
    position: np.ndarray
    focal: np.ndarray
    center: np.ndarray
    box: np.ndarray
    joint_valid: np.ndarray
    hand_type: str
    hand_type_valid: int
    labels_valid: int


def make_case(seed: int) -> Case:
    """A case about a metre away from its camera; some joints, wrists and labels are not valid."""
    rng = np.random.default_rng(seed)
    hand_type = list(HAND_TYPES)[seed % 3]
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    position = rng.normal(0, 500, 3)
    in_camera = _joints_in_camera(rng)
    focal = rng.uniform(1100, 1600, 2)
    center = np.array([SIZE[1], SIZE[0]]) / 2 + rng.normal(0, 10, 2)
    pixels = in_camera[:, :2] / in_camera[:, 2:] * focal + center
    there = np.concatenate([np.full(PER_HAND, flag) for flag in HAND_TYPES[hand_type]]) > 0
    low, high = pixels[there].min(0), pixels[there].max(0)
    return Case(
        picture=_smooth(rng, 3, 255),
        labels=_smooth(rng, 1, 33, nearest=True)[..., 0],
        world=in_camera @ np.linalg.inv(rotation).T + position,
        rotation=rotation,
        position=position,
        focal=focal,
        center=center,
        box=np.concatenate([low, high - low]),
        joint_valid=there * (rng.random(COUNT) < 0.93).astype(int),
        hand_type=hand_type,
        hand_type_valid=int(rng.random() < 0.9),
        labels_valid=int(rng.random() < 0.8),
    )


def _joints_in_camera(rng: np.random.Generator) -> np.ndarray:
    """(42, 3) mm: two loose hands, now and then one far behind the other."""
    joints = rng.normal(0, 45, (COUNT, 3)) + [0, 0, rng.uniform(800, 1300)]
    joints[HANDS[1]] += [rng.normal(60, 30), 0, rng.normal(0, 130)]
    joints[list(WRISTS), :2] *= 0.5
    return joints


def _smooth(rng: np.random.Generator, channels: int, top: int, nearest: bool = False) -> np.ndarray:
    """Large patches with fine noise, so that edges of both kinds are read between pixels."""
    how = cv2.INTER_NEAREST if nearest else cv2.INTER_CUBIC
    coarse = rng.uniform(0, top, (SIZE[0] // 16, SIZE[1] // 16, channels)).astype(np.float32)
    picture = cv2.resize(coarse, SIZE[::-1], interpolation=how).reshape(*SIZE, channels)
    if not nearest:
        picture = picture + rng.normal(0, 30, picture.shape)
    return np.clip(picture, 0, 255 if not nearest else 32).astype(np.uint8)
