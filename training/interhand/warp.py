# SPDX-License-Identifier: Apache-2.0
"""Affine warps of 8-bit pictures on any device, equal to OpenCV's warpAffine to the last bit.

OpenCV (4.5 to 4.14) rounds the place to read to 1/32 pixel by integer arithmetic with 10 bits
behind the point; the same integers are used here. Outside the picture is black.
"""

import torch
from torch import Tensor

POINT_BITS = 10  # fraction bits of a coordinate
CELL_BITS = 5  # fraction bits that interpolation uses
CELLS = 1 << CELL_BITS


def warp_linear(images: Tensor, maps: Tensor, size_px: int) -> Tensor:
    """Warp with bilinear interpolation.

    Args:
        images: (B, C, H, W) uint8.
        maps: (B, 2, 3) from picture to patch, px.
        size_px: side of the patch.

    Returns:
        (B, C, size_px, size_px) uint8.
    """
    shift = POINT_BITS - CELL_BITS
    x, y = (p >> shift for p in _places(maps, size_px, 1 << (shift - 1)))
    right, below = (x & (CELLS - 1)).unsqueeze(1), (y & (CELLS - 1)).unsqueeze(1)
    x, y = x >> CELL_BITS, y >> CELL_BITS
    upper = _read(images, x, y) * (CELLS - right) + _read(images, x + 1, y) * right
    lower = _read(images, x, y + 1) * (CELLS - right) + _read(images, x + 1, y + 1) * right
    total = upper * (CELLS - below) + lower * below
    half = 1 << (2 * CELL_BITS - 1)
    return ((total + half) >> (2 * CELL_BITS)).to(torch.uint8)


def warp_nearest(labels: Tensor, maps: Tensor, size_px: int) -> Tensor:
    """Warp (B, C, H, W) uint8 labels by nearest neighbour; otherwise as `warp_linear`."""
    x, y = (p >> POINT_BITS for p in _places(maps, size_px, 1 << (POINT_BITS - 1)))
    return _read(labels, x, y).to(torch.uint8)


def _places(maps: Tensor, size_px: int, rounding: int) -> tuple[Tensor, Tensor]:
    """Where in the picture each patch pixel reads: two (B, size, size) int64 in 1/1024 pixel."""
    a, b, c, d, e, f = _inverse(maps.double()).flatten(1).unbind(1)
    steps = torch.arange(size_px, dtype=torch.float64, device=maps.device)
    one = float(1 << POINT_BITS)
    x_columns = (a[:, None] * steps * one).round().long()
    y_columns = (d[:, None] * steps * one).round().long()
    x_rows = ((b[:, None] * steps + c[:, None]) * one).round().long() + rounding
    y_rows = ((e[:, None] * steps + f[:, None]) * one).round().long() + rounding
    return x_rows[:, :, None] + x_columns[:, None], y_rows[:, :, None] + y_columns[:, None]


def _inverse(maps: Tensor) -> Tensor:
    """Inverse of (B, 2, 3) affine maps, float64, in OpenCV's order of operations."""
    (a, b, c), (d, e, f) = (row.unbind(1) for row in maps.unbind(1))
    scale = 1.0 / (a * e - b * d)
    a, b, d, e = e * scale, b * -scale, d * -scale, a * scale
    rows = (a, b, -a * c - b * f), (d, e, -d * c - e * f)
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def _read(images: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Pixels (B, C, h, w) int32 at (B, h, w) whole places; zero outside."""
    height, width = images.shape[-2:]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    index = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
    index = index.flatten(1).unsqueeze(1).expand(-1, images.shape[1], -1)
    read = images.flatten(2).gather(2, index).view(*images.shape[:2], *x.shape[1:])
    return read.int() * inside.unsqueeze(1)
