# SPDX-License-Identifier: Apache-2.0
"""Crops cut out of frames where the network runs: `Crop.cut` as two matrix products.

Averaging and linear interpolation are linear and separable, so that a patch is
rows (256, H) x frame (H, W) x columns (W, 256). All shapes are known beforehand, whatever the crop,
as a CUDA graph needs it.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from digit_core.crop import PATCH, Crop

#: Numbers a crop's axis is described by, see `placements`.
_NUMBERS = 5


def placements(crops: Sequence[Crop], shape: tuple[int, ...]) -> np.ndarray:
    """What `cut` needs to know of crops of images (H, W, ...): (B, 2, 5) float32.

    Of columns and of rows `digit_core.crop.Axis`: start, a cell's width in pixels, cells, step,
    first.
    """
    found = np.empty((len(crops), 2, _NUMBERS), np.float32)
    for i, crop in enumerate(crops):
        for j, axis in enumerate(crop.axes(shape)):
            width = (axis.stop - axis.start) / max(axis.cells, 1)
            found[i, j] = axis.start, width or 1.0, axis.cells, axis.step, axis.first
    return found


def cut(frames: Tensor, which: Tensor, where: Tensor) -> Tensor:
    """Cut a patch out of a frame for each placement.

    Args:
        frames: (F, H, W, 3) uint8.
        which: (B,) int64, the frame of each.
        where: (B, 2, 5) float32, `placements`.

    Returns:
        (B, 3, 256, 256) float32 in [0, 1]: `Crop.cut` without its rounding to whole grey levels and
        1/32 of a pixel.
    """
    count, (height, width) = len(which), frames.shape[1:3]
    pixels = frames.index_select(0, which).float().view(count, height, width * 3)
    rows = _weights(where[:, 1], height) @ pixels
    channels = rows.view(count, PATCH, width, 3).permute(0, 3, 1, 2)
    columns = _weights(where[:, 0], width).transpose(1, 2)[:, None]
    return (channels @ columns).div_(255)


def images_of(patches: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 to (B, 3, H, W) float32 in [0, 1]."""
    return patches.permute(0, 3, 1, 2).float() / 255


def _weights(axis: Tensor, size: int) -> Tensor:
    """What each pixel of an axis adds to each pixel of the patch: (B, 256, size)."""
    start, width, cells, step, first = (value[:, None, None] for value in axis.unbind(1))
    patch = torch.arange(PATCH, dtype=axis.dtype, device=axis.device)[None, :, None]
    pixel = torch.arange(size, dtype=axis.dtype, device=axis.device)[None, None, :]
    place = step * patch + first
    before = place.floor()
    share = place - before

    def covered(cell: Tensor) -> Tensor:
        """How much of a cell each pixel is."""
        low = start + cell * width
        inside = (cell >= 0) & (cell < cells)
        common = (torch.minimum(pixel + 1, low + width) - torch.maximum(pixel, low)).clamp(min=0)
        return common / width * inside

    return (1 - share) * covered(before) + share * covered(before + 1)
