# SPDX-License-Identifier: Apache-2.0
"""How far a hand is, from a depth image that is registered to the colour image.

A depth camera sees skin; joints lie a centimetre or three behind it. Points along the bones of palm
and fingers are looked up, each gives a depth of the wrist (what is seen, minus the point's
relative depth, plus the flesh before it), and the depth that most of them agree on counts: holes,
edges, the other hand in front and fingers bent over the palm are outvoted.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from digit_core.camera import Camera
from digit_core.depth import RootDepth
from digit_core.hand_size import HandScale
from digit_core.hands import DepthSource
from digit_core.measurement import Measurement
from digit_core.orientation import wrist_rotation
from digit_core.skeleton import BONES, JOINT_NAMES, WRIST

_FINGERS = ("index", "middle", "ring", "pinky")
#: What a finger's bones begin with and consist of, and where along them is looked.
BONE_KINDS = (("wrist", "palm"), ("knuckle", "proximal"), ("middle joint", "middle"))
SHARES = (0.0, 0.25, 0.5, 0.75)
#: Flesh before a point on a bone, over the hand's size: a + b (n.v) + c (1 - |n.v|), with n out of
#: the back of the hand and v along the line of sight. Fitted to what is seen of hands in 400
#: renders (`python -m benchmarks.depth_sources --flesh`).
_FLESH = {
    "wrist": (0.109, 0.014, 0.106),
    "palm": (0.083, 0.034, 0.157),
    "knuckle": (0.081, 0.057, 0.017),
    "proximal": (0.067, 0.031, -0.009),
    "middle joint": (0.050, 0.019, -0.011),
    "middle": (0.053, 0.008, -0.011),
}
#: Errors common to all points, of flesh and relative depths; and where another hand is about.
#: Fitted to the network's errors on renders (`python -m benchmarks.depth_sources`).
_SIGMA_M, _ENTWINED_SIGMA_M = 0.023, 0.04
#: Half the window of a look-up over the hand's size, and its bounds in pixels.
_REACH, _REACH_PX = 0.02, (1, 4)
#: Half a finger's thickness over the hand's size: nearer to the other hand's bones is not looked.
_THICKNESS = 0.06
#: Depths that the prior and its deviation call impossible are something else's.
_GATE_SIGMAS, _GATE_SHARE = 3.0, 0.25
_LEAST_SHARE = 0.25
_LEAST_FILLED = 0.3
_AGREE_M, _ROUNDS = 0.012, 3
#: Neighbouring points see the same skin: so many of them count as one.
_ALIKE = 4
_NEAREST_M = 0.02


@dataclass(frozen=True)
class DepthImage:
    """Depths along the optical axis, as a camera driver gives them.

    Attributes:
        values: (H, W), any numeric type; 0, NaN and infinity are holes.
        unit_m: metres of one unit.
    """

    values: np.ndarray
    unit_m: float = 1.0

    def mirrored(self) -> "DepthImage":
        """The same flipped left to right."""
        return DepthImage(self.values[:, ::-1], self.unit_m)


@dataclass(frozen=True)
class _Points:
    """Places on bones, `share` of the way from joint `start` to joint `end`; (N,), flesh (N, 3)."""

    start: np.ndarray
    end: np.ndarray
    share: np.ndarray
    flesh: np.ndarray

    def between(self, values: np.ndarray) -> np.ndarray:
        """(21, ...) values at joints, interpolated: (N, ...)."""
        t = self.share.reshape(-1, *(1,) * (values.ndim - 1))
        return np.asarray((1 - t) * values[self.start] + t * values[self.end])


def _points() -> _Points:
    rows = []
    for finger in _FINGERS:
        joints = [WRIST] + [JOINT_NAMES.index(f"{finger}_{i}") for i in (1, 2, 3)]
        for bone, (at_start, inside) in enumerate(BONE_KINDS):
            for share in SHARES:
                kind = inside if share else at_start
                rows.append((joints[bone], joints[bone + 1], share, *_FLESH[kind]))
    table = np.array(rows)
    return _Points(table[:, 0].astype(int), table[:, 1].astype(int), table[:, 2], table[:, 3:])


_ON_BONES = _points()


def wrist_depth(
    image: DepthImage,
    camera: Camera,
    shape: tuple[int, int],
    hand: Measurement,
    scale: HandScale,
    prior: RootDepth | None,
    others: Sequence[Measurement] = (),
) -> RootDepth | None:
    """Depth of a hand's wrist joint by what the depth image shows of the hand.

    Args:
        image: registered to the colour image; it may have another resolution.
        camera: intrinsics of the colour image.
        shape: height and width of the colour image, pixels.
        hand: as measured in the colour image.
        scale: the hands' size.
        prior: the depth by the hand's size; what is far from it is not the hand.
        others: hands that may stand before this one.

    Returns:
        The depth, or None where too little of the hand is seen.
    """
    near = prior.depth_m if prior else _middle_depth(image, shape, hand)
    if not near > _NEAREST_M:
        return None
    size_px = scale.size_m * camera.fx / near
    pixels = _ON_BONES.between(hand.joints_2d)
    seen = _look_up(image, shape, pixels, _REACH * size_px)
    depths = seen - _ON_BONES.between(hand.depth_m) + _flesh_m(camera, hand, near, scale)
    gate = max(_GATE_SHARE * near, _GATE_SIGMAS * prior.sigma_m if prior else 0.0)
    depths[~(np.abs(depths - near) <= gate)] = np.nan
    free = ~_is_near_bones(pixels, others, _THICKNESS * size_px)
    # Of hands that hold each other no point is free; their depths are then nearly one.
    return _agreed(depths[free], _SIGMA_M) or _agreed(depths, _ENTWINED_SIGMA_M)


def _agreed(depths: np.ndarray, common_sigma_m: float) -> RootDepth | None:
    """The depth that most points agree on; None where they are too few."""
    depths = depths[np.isfinite(depths)]
    needed = _LEAST_SHARE * len(_ON_BONES.share)
    if len(depths) < needed:
        return None
    centre = float(np.median(depths))
    agreeing = depths
    for _ in range(_ROUNDS):
        away = np.abs(depths - centre)
        reach = max(2.0 * float(np.median(np.abs(agreeing - centre))), _AGREE_M)
        agreeing = depths[away <= reach]
        if len(agreeing) < needed:
            return None
        centre = float(agreeing.mean())
    noise = float(agreeing.std()) / math.sqrt(len(agreeing) / _ALIKE)
    sigma = math.hypot(noise, common_sigma_m)
    return RootDepth(centre, sigma, 0.0, DepthSource.DEPTH_IMAGE)


def _middle_depth(image: DepthImage, shape: tuple[int, int], hand: Measurement) -> float:
    """Depth at the middle of the palm where nothing is known beforehand; NaN in a hole."""
    palm = hand.joints_2d[[WRIST, *(JOINT_NAMES.index(f"{f}_1") for f in _FINGERS)]]
    return float(_look_up(image, shape, palm.mean(axis=0)[None], _REACH_PX[1])[0])


def _look_up(
    image: DepthImage, shape: tuple[int, int], pixels: np.ndarray, reach_px: float
) -> np.ndarray:
    """(N,) median depth in metres about each pixel (N, 2) of the colour image; NaN in holes."""
    height, width = image.values.shape
    ratio = np.array([width / shape[1], height / shape[0]])
    reach = int(np.clip(round(reach_px * ratio[0]), *_REACH_PX))
    offsets = np.arange(-reach, reach + 1)
    with np.errstate(invalid="ignore"):
        centres = np.where(np.isfinite(pixels), (pixels + 0.5) * ratio - 0.5, -1e6).round()
    x = centres[:, 0].astype(int)[:, None, None] + offsets[None, None, :]
    y = centres[:, 1].astype(int)[:, None, None] + offsets[None, :, None]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    taken = image.values[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    metres = taken.astype(np.float64) * image.unit_m
    good = (inside & np.isfinite(metres) & (metres > _NEAREST_M)).reshape(len(pixels), -1)
    metres = np.where(good, metres.reshape(len(pixels), -1), np.inf)
    count = good.sum(axis=1)
    metres.sort(axis=1)
    middle = metres[np.arange(len(pixels)), np.maximum(count - 1, 0) // 2]
    return np.where(count >= _LEAST_FILLED * good.shape[1], middle, np.nan)


def _is_near_bones(pixels: np.ndarray, hands: Sequence[Measurement], reach_px: float) -> np.ndarray:
    """(N,) bool: within `reach_px` of a bone of one of these hands in the picture."""
    near = np.zeros(len(pixels), bool)
    for hand in hands:
        ends = hand.joints_2d[np.array(BONES)]
        start, along = ends[:, 0], ends[:, 1] - ends[:, 0]
        gap = pixels[:, None] - start
        t = (gap * along).sum(-1) / np.maximum((along * along).sum(-1), 1e-9)
        away = gap - np.clip(t, 0, 1)[..., None] * along
        near |= (np.linalg.norm(away, axis=-1) < reach_px).any(axis=1)
    return near


def _flesh_m(camera: Camera, hand: Measurement, near_m: float, scale: HandScale) -> np.ndarray:
    """(N,) metres along the optical axis from the skin that is seen to each point on the bones."""
    joints = (near_m + hand.depth_m)[:, None] * camera.unproject(hand.joints_2d)
    sight = joints[WRIST] / np.linalg.norm(joints[WRIST])
    facing = float(wrist_rotation(joints, hand.side)[:, 1] @ sight)
    facing = facing if math.isfinite(facing) else 0.0
    terms = np.array([1.0, facing, 1 - abs(facing)])
    return np.asarray(scale.size_m * (_ON_BONES.flesh @ terms))
