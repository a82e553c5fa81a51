# SPDX-License-Identifier: Apache-2.0
"""Runs the pose network on crops of frames that are sent to its device once."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from digit_core.crop import NOWHERE, PATCH, Crop
from digit_core.decode import PX_PER_CELL
from digit_core.device_cut import cut, images_of, placements
from digit_core.device_step import DeviceStep
from digit_core.pair import MOST_LOOKS

#: Larger frames are cut in host memory: they would take longer to be sent than their crops to be
#: cut. 1920x1200.
_MOST_PIXELS_SENT = 2_304_000
#: A graph's joints are those of the same steps one by one but for other algorithms' rounding, which
#: moves those of an untrained network by pixels; wrong ones lie anywhere in the crop.
_SAME_MEDIAN_PX = 16.0


class DeviceCrops:
    """Crops of frames to decoded numbers; on CUDA one graph a frame size and number of crops."""

    def __init__(
        self,
        answer: Callable[[Tensor], tuple[Tensor, Tensor]],
        device: torch.device,
        graphs: bool,
    ) -> None:
        """`answer` takes (B, 3, 256, 256) float32 in [0, 1] to `pack`'s numbers and part logits."""

        def of_frames(frames: Tensor, which: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
            return answer(cut(frames, which, where))

        def of_patches(patches: Tensor) -> tuple[Tensor, Tensor]:
            return answer(images_of(patches))

        self._of_frames = DeviceStep(of_frames, device, graphs, same_joints)
        self._of_patches = DeviceStep(of_patches, device, graphs, same_joints)
        self._recorded: set[tuple[int, ...]] = set()

    @property
    def replayed(self) -> bool:
        """Whether graphs are replayed."""
        return self._of_frames.replayed and self._of_patches.replayed

    def of_patches(self, patches: np.ndarray) -> tuple[np.ndarray, Tensor]:
        """Numbers (B, N) and part logits of crops (B, 256, 256, 3) uint8 cut in host memory."""
        numbers, (parts,) = self._of_patches(patches)
        return numbers, parts

    def __call__(
        self, images: Sequence[np.ndarray], crops: Sequence[Sequence[Crop]]
    ) -> tuple[np.ndarray, Tensor]:
        """Numbers and part logits of all crops in order; see `PoseRuntime.from_frames`."""
        of_size: dict[tuple[int, ...], list[int]] = {}
        for i, image in enumerate(images):
            of_size.setdefault(image.shape, []).append(i)
        answers = [
            self._same_size([images[i] for i in some], [crops[i] for i in some])
            for some in of_size.values()
        ]
        if len(answers) == 1:
            return answers[0]
        ends = np.cumsum([len(some) for some in crops])
        places = np.split(np.arange(ends[-1]), ends[:-1])
        order = np.argsort(np.concatenate([places[i] for some in of_size.values() for i in some]))
        numbers, parts = zip(*answers, strict=True)
        return np.concatenate(numbers)[order], torch.cat(parts)[torch.from_numpy(order)]

    def _same_size(
        self, images: Sequence[np.ndarray], crops: Sequence[Sequence[Crop]]
    ) -> tuple[np.ndarray, Tensor]:
        shape, count = images[0].shape, sum(map(len, crops))
        if shape[0] * shape[1] > _MOST_PIXELS_SENT:
            patches = np.zeros((_bucket(count), PATCH, PATCH, shape[2]), np.uint8)
            pairs = zip(images, crops, strict=True)
            patches[:count] = [crop.cut(image) for image, some in pairs for crop in some]
            self._record_patches()
            numbers, parts = self.of_patches(patches)
        else:
            frames = images[0][None]
            if len(images) > 1:
                frames = np.zeros((_bucket(len(images)), *shape), np.uint8)
                frames[: len(images)] = images
            self._record_frames(frames)
            which = np.repeat(np.arange(len(images)), [len(some) for some in crops])
            numbers, parts = self._run(frames, which, [crop for some in crops for crop in some])
        return numbers[:count], parts[:count]

    def _run(
        self, frames: np.ndarray, which: np.ndarray, crops: Sequence[Crop]
    ) -> tuple[np.ndarray, Tensor]:
        """Filled up with crops of nothing: each number of crops has a graph of its own."""
        more = _bucket(len(crops)) - len(crops)
        which = np.append(which, np.zeros(more, np.int64))
        where = placements([*crops, *[NOWHERE] * more], frames.shape[1:])
        numbers, (parts,) = self._of_frames(frames, which, where)
        return numbers, parts

    def _record_frames(self, frames: np.ndarray) -> None:
        """Make all graphs of a size when its first frame comes, and not when a hand appears."""
        if not self._of_frames.replayed or frames.shape in self._recorded:
            return
        self._recorded.add(frames.shape)
        height, width = frames.shape[1:3]
        whole = Crop(width / 2, height / 2, max(width, height))
        for of_each in (1, 2, MOST_LOOKS):
            count = of_each * len(frames)
            self._run(frames, np.zeros(count, np.int64), [whole] * count)

    def _record_patches(self) -> None:
        """The same for crops that are cut in host memory."""
        shape = (PATCH, PATCH, 3)
        if not self._of_patches.replayed or shape in self._recorded:
            return
        self._recorded.add(shape)
        for count in (1, 2, MOST_LOOKS):
            self.of_patches(np.zeros((count, *shape), np.uint8))


def same_joints(numbers: np.ndarray, expected: np.ndarray) -> bool:
    """Whether two answers of `pack` are one but for rounding."""
    joints, others = (n[:, :-3].reshape(len(n), -1, 5)[..., :2] for n in (numbers, expected))
    apart_px = np.linalg.norm(joints - others, axis=-1) * PX_PER_CELL
    return bool(np.isfinite(numbers).all() and np.median(apart_px) <= _SAME_MEDIAN_PX)


def _bucket(count: int) -> int:
    """The next power of two."""
    return 1 << (count - 1).bit_length()
