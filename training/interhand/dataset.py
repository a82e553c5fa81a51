# SPDX-License-Identifier: Apache-2.0
"""A split or subset of InterHand2.6M, read by the batch."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from training.interhand import cameras, items, joints, subsets
from training.interhand.errors import DataError
from training.interhand.heatmap_space import per_joint
from training.interhand.items import Annotations, Factors, Targets
from training.interhand.patch import PATCH_PX, square_boxes
from training.interhand.pictures import PictureStore
from training.interhand.raw import SplitFiles
from training.interhand.table import open_table
from training.interhand.variations import Variations, vary
from training.metrics import Truth

DEPTH_SOURCES = ("rootnet", "gt", "hand_size")
NAME = "InterHand2.6M v1.0, 5 fps"


class Batch(NamedTuple):
    """B items as the network takes them; made in a worker, on the CPU.

    Attributes:
        images: (B, 3, 256, 256) uint8 RGB, before the colour factors.
        color: (B, 3) factors on red, green, blue.
        targets: what the network should answer.
        to_picture: (B, 2, 3) map from patch to picture pixels.
        rows: (B,) places in the data set.
    """

    images: Tensor
    color: Tensor
    targets: Targets
    to_picture: Tensor
    rows: Tensor


def network_input(batch: Batch) -> Tensor:
    """(B, 3, 256, 256) float32 RGB in [0, 1], on the batch's device."""
    colored = batch.images * batch.color[:, :, None, None]
    return colored.clamp(0, 255).float() / 255


class InterHand(Dataset):
    """A subset of a split: single hands first, then two, each in the order of the selection.

    Args:
        root: folder in InterHand2.6M's layout.
        subset: a name of `subsets.NAMES`.
        depth_source: of boxes and wrist depths in evaluation; training takes "gt".
        variations: what training varies; None for evaluation.
        seed: of the variations.

    Raises:
        DataError: a file is missing or damaged; the message says which and what to do.
    """

    def __init__(
        self,
        root: Path,
        subset: str,
        depth_source: str = "gt",
        variations: Variations | None = None,
        seed: int = 1,
    ) -> None:
        self.files = SplitFiles(root, split_of(subset))
        self.subset, self.depth_source = subset, depth_source
        self.variations, self.seed = variations, seed
        self.table = open_table(self.files)
        chosen = np.array(subsets.select(range(len(self.table)), subset))
        two = self.table.hands[chosen].all(axis=1)
        self.rows = np.concatenate((chosen[~two], chosen[two]))
        self.store = PictureStore(root)
        if depth_source == "rootnet":
            self._check_rootnet()

    def __len__(self) -> int:
        return len(self.rows)

    def key(self, index: int) -> str:
        """`SPLIT/CaptureN/SEQ/camC/imageF.jpg` of an item."""
        return f"{self.files.split}/{self.table.key(self.rows[index])}"

    def __getitem__(self, index: int) -> Batch:
        return self.__getitems__([(index, 0)])

    def __getitems__(self, places: Sequence[tuple[int, int]]) -> Batch:
        """The batch of (index, epoch) pairs; the epoch only decides how training varies an item."""
        indices = torch.tensor([index for index, _ in places])
        rows = self.rows[indices.numpy()]
        annotations, _ = self._annotations(rows)
        factors = self._factors(places)
        width = torch.from_numpy(self.table.sizes[rows, 0].astype(np.int64))
        maps = items.maps_for(annotations, factors, width)
        images, parts, labelled = self._pictures(places, annotations, factors, maps.to_patch)
        annotations = annotations._replace(labels_valid=labelled)
        targets = items.make_targets(annotations, maps, factors, parts, width)
        return Batch(images, factors.color, targets, maps.to_picture, indices)

    def picture(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB, the whole picture of an item."""
        return self._image(self.rows[index])

    def truth(self) -> Truth:
        """What all items are held against, in the data set's order."""
        annotations, camera_joints = self._annotations(self.rows)
        camera = self.table.camera[self.rows]
        granted = (
            torch.from_numpy(self.table.rootnet_depth[self.rows])
            if self.depth_source == "rootnet"
            else camera_joints[:, joints.WRISTS, 2]
        )
        return Truth(
            joints_camera=camera_joints,
            joint_valid=annotations.joint_valid.bool(),
            hands=annotations.hands.bool(),
            hands_valid=annotations.hands_valid.bool(),
            focal=torch.from_numpy(self.table.focal[camera]),
            center=torch.from_numpy(self.table.center[camera]),
            wrist_depth=granted,
        )

    def _check_rootnet(self) -> None:
        told = np.isfinite(self.table.rootnet_boxes[self.rows]).all(axis=1)
        if told.all():
            return
        known = f"{(~told).sum()} of {len(self)} items of {self.subset}"
        first = self.table.ids[self.rows[~told][0]]
        raise DataError(
            f"{self.files.rootnet}: has nothing on {known}, the first is annotation {first}; "
            "download RootNet's output, or give --trans_test gt"
        )

    def _annotations(self, rows: np.ndarray) -> tuple[Annotations, Tensor]:
        """Annotations of rows, and their joints (B, 42, 3) in camera space, float64 mm."""
        table = self.table
        camera = table.camera[rows]
        world = torch.from_numpy(table.world[table.frame[rows]].astype(np.float64))
        rotation, position, focal, center = (
            torch.from_numpy(values[camera])
            for values in (table.rotation, table.position, table.focal, table.center)
        )
        in_camera = cameras.world_to_camera(world, rotation, position)
        valid = torch.from_numpy(table.joint_valid[rows].astype(np.float32))
        hands = torch.from_numpy(table.hands[rows].astype(np.float32))
        boxes = torch.from_numpy(table.boxes[rows])
        fitted = torch.from_numpy(table.fitted[rows] > 0).float()
        annotations = Annotations(
            boxes=(
                torch.from_numpy(table.rootnet_boxes[rows])
                if self.depth_source == "rootnet"
                else square_boxes(boxes)
            ),
            joints=cameras.camera_to_pixel(in_camera, focal, center).float(),
            # Everything is told from the wrist: without it a hand has no valid joint.
            joint_valid=valid * per_joint(valid[:, joints.WRISTS]),
            hands=hands,
            hands_valid=torch.from_numpy(table.hands_valid[rows].astype(np.float32)),
            # A label map is of use where exactly the hands that are there were fitted.
            labels_valid=(fitted == hands).all(dim=1).float(),
        )
        return annotations, in_camera

    def _factors(self, places: Sequence[tuple[int, int]]) -> Factors:
        if self.variations is None:
            return items.neutral_factors(len(places))
        drawn = [items.draw_factors(1, self._generator(*place)) for place in places]
        return Factors(*(torch.cat(values) for values in zip(*drawn, strict=True)))

    def _generator(self, index: int, epoch: int) -> torch.Generator:
        """The same for an item and epoch whatever worker, process or batch it comes in."""
        seed = np.random.SeedSequence([self.seed, epoch, index]).generate_state(1, np.uint64)
        return torch.Generator().manual_seed(int(seed[0] >> np.uint64(1)))

    def _pictures(
        self,
        places: Sequence[tuple[int, int]],
        annotations: Annotations,
        factors: Factors,
        to_patch: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Patches (B, 3, 256, 256) uint8, labels (B, 128, 128) and which labels count (B,)."""
        count, side = len(places), PATCH_PX // items.LABEL_STEP
        patches = np.empty((count, PATCH_PX, PATCH_PX, 3), np.uint8)
        labels = np.zeros((count, side, side), np.uint8)
        labelled, maps = annotations.labels_valid.clone(), to_patch.numpy()
        for i, (index, epoch) in enumerate(places):
            row, mirror = self.rows[index], bool(factors.mirror[i])
            picture = self._image(row)
            mask = self._labels(row, picture) if labelled[i] else None
            _warp(picture, maps[i], mirror, cv2.INTER_LINEAR, patches[i])
            if mask is None:
                labelled[i] = 0
            else:
                # Halving the map gives exactly every second pixel of the whole patch.
                _warp(mask, maps[i] / items.LABEL_STEP, mirror, cv2.INTER_NEAREST, labels[i])
            if self.variations is not None and self.variations.any():
                outline = None
                if mask is not None and self.variations.backgrounds:
                    outline = _outline(mask, maps[i], mirror)
                rng = np.random.default_rng([self.seed, epoch, index])
                patches[i] = vary(patches[i], outline, self.variations, rng)
        parts = torch.from_numpy(labels)
        parts = torch.where(factors.mirror[:, None, None], items.swap_sides(parts), parts)
        return torch.from_numpy(patches).permute(0, 3, 1, 2), parts.long(), labelled

    def _image(self, row: int) -> np.ndarray:
        picture = self.store.image(f"{self.files.split}/{self.table.key(row)}")
        width, height = self.table.sizes[row]
        if picture.shape[:2] != (height, width):
            raise DataError(
                f"{self.store.root}: {self.files.split}/{self.table.key(row)}: a picture of "
                f"{picture.shape[1]}x{picture.shape[0]} where the annotations say {width}x{height}"
            )
        return picture

    def _labels(self, row: int, picture: np.ndarray) -> np.ndarray | None:
        key = f"{self.files.split}/{self.table.key(row)}"
        return self.store.labels(key, (picture.shape[1], picture.shape[0]))


def split_of(subset: str) -> str:
    """train, val or test of a subset's name.

    Raises:
        DataError: there is no such subset.
    """
    if subset not in subsets.NAMES:
        raise DataError(f"subset {subset!r}: expected one of {', '.join(subsets.NAMES)}")
    return next(split for split in subsets.SPLITS if subset.endswith(split))


def _warp(
    picture: np.ndarray, to_patch: np.ndarray, mirror: bool, flags: int, out: np.ndarray
) -> None:
    """Warp into `out`, which is square."""
    source = cv2.flip(picture, 1) if mirror else picture
    cv2.warpAffine(source, to_patch, out.shape[:2], dst=out, flags=flags)


def _outline(mask: np.ndarray, to_patch: np.ndarray, mirror: bool) -> np.ndarray:
    """(256, 256) labels of the whole patch."""
    outline = np.empty((PATCH_PX, PATCH_PX), np.uint8)
    _warp(mask, to_patch, mirror, cv2.INTER_NEAREST, outline)
    return outline
