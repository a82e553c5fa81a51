# SPDX-License-Identifier: Apache-2.0
"""Training batches of real photos: what a photo cannot tell is masked.

Parts, depths, the wrists' distance and joints that are not sure are unknown. Where a photo is not
complete, other hands may be in it: the other side's presence is unknown, and the detector is asked
for nothing outside of the labelled hands.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from digit_core import boxes
from digit_core.detection import GREY
from digit_core.network.detector import STRIDE
from digit_core.skeleton import SIDES
from training.default_weights.losses import UNKNOWN_PART
from training.default_weights.photo_views import View, anywhere, around, log_uniform, whole
from training.default_weights.photos import Choice, Photo
from training.default_weights.targets import (
    CELL,
    PRESENT_SHARE,
    clear_hands,
    detector_maps,
    network_order,
)

#: Shares of crops at places of any kind, and about two hands that are together.
_ANY_PLACE, _TOGETHER, _BOTH = 0.14, 0.3, 0.65
_PLACE_SHARE = (0.12, 1.0)
_MARGIN, _MOVED = (1.05, 1.8), 0.06
#: A hand under this share of a crop is neither asked for nor absent.
_LEAST_EXTENT = 0.1
#: Shares of the detector's pictures: whole photos, windows about hands, else four photos in one.
_WHOLE, _WINDOW = 0.45, 0.3
_WHOLE_SHARE, _TILE_SHARE = (0.75, 1.5), (0.8, 1.3)
_WINDOW_MARGIN, _WINDOW_MOVED = (1.1, 8.0), 0.13
_MOST_HANDS = 8
#: Of a photo that is not complete the detector learns within this square about a hand's box.
_KNOWN_ABOUT = 1.3
#: Share of the backgrounds from photos that show hands elsewhere: people's rooms, faces, shirts.
_PEOPLE = 0.7
#: Cuts of photos behind renders: share of the shorter side, least side, tries for each.
_BACKGROUND_SHARE, _LEAST_BACKGROUND_PX, _TRIES = (0.3, 1.0), 96, 6


class PhotoBatches:
    """Draws views of photos for one network.

    Args:
        photos: labelled photos, some with hands. Of none that is complete no places without hands
            are learnt.
    """

    def __init__(self, photos: Sequence[Photo]) -> None:
        useful = [photo for photo in photos if photo.hands or photo.complete]
        self._any, self._seen = Choice(useful), Choice([p for p in useful if p.hands])
        complete = [p for p in useful if p.complete]
        self._has_complete = bool(complete)
        self._complete = Choice(complete or useful)
        self._people = Choice([p for p in complete if p.hands] or complete or useful)
        self._together = Choice([p for p in useful if p.together] or useful)

    def backgrounds(self, count: int) -> list[np.ndarray]:
        """Square cuts (S, S, 3) uint8 of complete photos that show no hand: rooms, faces, shirts.

        Fewer than `count` where hands fill the photos, none where no photo is complete.
        """
        if not self._has_complete:
            return []
        rng, cuts = np.random.default_rng(0), []
        for _ in range(_TRIES * count):
            people = rng.random() < _PEOPLE
            photo = (self._people if people else self._complete).draw(rng)
            height, width = photo.image.shape[:2]
            side = int(min(height, width) * log_uniform(rng, *_BACKGROUND_SHARE))
            x, y = (int(rng.integers(length - side + 1)) for length in (width, height))
            box = np.array([x, y, side, side], float)
            hands = [boxes.square(hand.box, _KNOWN_ABOUT) for hand in photo.hands]
            if side >= _LEAST_BACKGROUND_PX and not any(
                boxes.overlap_area(box, hand) > 0 for hand in hands
            ):
                cuts.append(photo.image[y : y + side, x : x + side])
            if len(cuts) == count:
                break
        return cuts

    def pose(self, rng: np.random.Generator, n: int, size: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Crops (n, S, S, 3) uint8 and their targets as `targets.pose_targets` gives them."""
        views = [self._crop(rng, size) for _ in range(n)]
        rgb = np.stack([view.cut(photo.image, 0) for photo, view in views])
        return torch.from_numpy(rgb), pose_photo_targets(views, size)

    def detector(
        self, rng: np.random.Generator, n: int, size: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Pictures (n, S, S, 3) uint8, their targets as `targets.detector_targets` gives them."""
        rgb = np.full((n, size, size, 3), GREY, np.uint8)
        points = np.full((n, _MOST_HANDS, 21, 2), np.nan)
        whole_hands = np.zeros((n, _MOST_HANDS), bool)
        cells = size // STRIDE
        unknown = np.zeros((n, 1, cells, cells), bool)
        for i in range(n):
            place = 0
            for (photo, view), left, top in self._picture(rng, size):
                rows, columns = slice(top, top + view.size), slice(left, left + view.size)
                rgb[i, rows, columns] = view.cut(photo.image, GREY)
                hands = [view.from_photo(hand.joints) + (left, top) for hand in photo.hands]
                for joints in hands:
                    points[i, place] = joints
                    whole_hands[i, place] = _share_in(view.size, joints - (left, top)) >= 0.5
                    place += 1
                if not photo.complete:
                    some = [s // STRIDE for s in (top, top + view.size, left, left + view.size)]
                    tile = unknown[i, 0, some[0] : some[1], some[2] : some[3]]
                    tile |= _unlabelled(hands, left, top, tile.shape)
        return torch.from_numpy(rgb), _detector_targets(points, whole_hands, unknown, size)

    def _crop(self, rng: np.random.Generator, size: int) -> tuple[Photo, View]:
        kind = rng.random()
        if kind < _ANY_PLACE:
            photo = self._complete.draw(rng)
            return photo, anywhere(rng, photo, _PLACE_SHARE, size)
        photo = (self._together if kind < _ANY_PLACE + _TOGETHER else self._seen).draw(rng)
        joints = [hand.joints for hand in photo.hands]
        if not (photo.together and rng.random() < _BOTH):
            joints = [joints[rng.integers(len(joints))]]
        return photo, around(rng, np.concatenate(joints), _MARGIN, _MOVED, size)

    def _picture(
        self, rng: np.random.Generator, size: int
    ) -> list[tuple[tuple[Photo, View], int, int]]:
        """What one picture is put together from: photos, their views, and each one's corner."""
        kind = rng.random()
        if kind < _WHOLE:
            photo = self._any.draw(rng)
            return [((photo, whole(rng, photo, _WHOLE_SHARE, size)), 0, 0)]
        if kind < _WHOLE + _WINDOW:
            photo = self._any.draw(rng)
            if not photo.hands:
                return [((photo, anywhere(rng, photo, (0.3, 1.0), size)), 0, 0)]
            joints = photo.hands[rng.integers(len(photo.hands))].joints
            return [((photo, around(rng, joints, _WINDOW_MARGIN, _WINDOW_MOVED, size)), 0, 0)]
        half = size // 2
        tiles = []
        for left, top in ((0, 0), (half, 0), (0, half), (half, half)):
            photo = self._any.draw(rng)
            tiles.append(((photo, whole(rng, photo, _TILE_SHARE, half)), left, top))
        return tiles


def pose_photo_targets(views: Sequence[tuple[Photo, View]], size: int) -> dict[str, Tensor]:
    """Targets of n crops, the form of `targets.pose_targets`; depth and parts are unknown."""
    n = len(views)
    joints, sure = np.full((n, 2, 21, 2), -1e3), np.zeros((n, 2, 21), bool)
    complete = np.array([photo.complete for photo, _ in views])
    labelled = np.zeros((n, 2), bool)
    for i, (photo, view) in enumerate(views):
        for hand in photo.hands:
            side = SIDES.index(hand.side)
            side = 1 - side if view.mirrored else side
            joints[i, side], sure[i, side] = view.from_photo(hand.joints), hand.sure
            labelled[i, side] = True
    place = (joints + 0.5) / size
    inside = ((place > 0) & (place < 1)).all(3)
    share = inside.mean(2)
    extent = (place.max(2) - place.min(2)).max(2)
    present = labelled & (share > PRESENT_SHARE) & (extent > _LEAST_EXTENT)
    absent = (share == 0) & (labelled | complete[:, None])
    valid = inside & sure & present[..., None]
    flat = np.where(valid[..., None], place, 0.0)
    placed = network_order(torch.from_numpy(np.pad(flat, [(0, 0)] * 3 + [(0, 1)])).float())
    valid = network_order(torch.from_numpy(valid))
    cells = size // CELL
    return {
        "joints": placed,
        "valid": valid,
        "visible": valid,
        "depth_known": torch.zeros_like(valid),
        "hands": torch.from_numpy(present).float(),
        "hands_known": torch.from_numpy(present | absent),
        "root": torch.zeros(n),
        "root_known": torch.zeros(n, dtype=torch.bool),
        "parts": torch.full((n, cells, cells), UNKNOWN_PART),
    }


def _unlabelled(hands: list[np.ndarray], left: int, top: int, shape: tuple[int, ...]) -> np.ndarray:
    """Cells (h, w) of a photo that lie far from its labelled hands."""
    y, x = np.mgrid[: shape[0], : shape[1]] * STRIDE + (STRIDE - 1) / 2
    far = np.ones(shape, bool)
    for joints in hands:
        low, high = joints.min(0) - (left, top), joints.max(0) - (left, top)
        reach = _KNOWN_ABOUT * (high - low).max() / 2
        middle = (low + high) / 2
        far &= np.maximum(abs(x - middle[0]), abs(y - middle[1])) > reach
    return far


def _share_in(size: int, joints: np.ndarray) -> float:
    return float(((joints > 0) & (joints < size)).all(1).mean())


def _detector_targets(
    points: np.ndarray, whole_hands: np.ndarray, unknown: np.ndarray, size: int
) -> dict[str, Tensor]:
    there = torch.from_numpy(np.isfinite(points).all((2, 3)))
    joints = torch.from_numpy(np.nan_to_num(points)).float()
    clear = torch.from_numpy(whole_hands) & clear_hands(joints, (size, size))
    maps = detector_maps(joints, there & clear, there & ~clear, (size, size))
    maps["ignore"] |= torch.from_numpy(unknown)
    return maps
