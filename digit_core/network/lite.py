# SPDX-License-Identifier: Apache-2.0
"""`digit-lite`: the outputs of DIGIT from a small encoder, real time on a CPU.

All that costs runs at stride 8 and beyond; heatmaps and parts come out at stride 4 by pixel
shuffle, which is as good for what is smooth and costs a fifth.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from digit_core.network.output import DigitOutput, Heads
from digit_core.network.residual import ConvNormReLU, ResidualPyramid, init_weights

NUM_JOINTS_TWO_HANDS = 42
NUM_PARTS = 33
#: The depth axis has 64 cells whatever the picture's size; the wrist's own depth is the middle.
DEPTH_CELLS = 64.0
#: Crops are scaled by this first: the weights are trained on crops of 224 pixels.
INPUT_SCALE = 0.875
#: Heatmap cells in one feature cell, along one side.
SHUFFLE = 2
#: Centre of heatmap cell 0 in cells, patch pixel 0's centre being 0: pixels 0..3 centre at 1.5.
CELL_CENTRE = 1.5 / 4


class DigitLite(nn.Module):
    """The small network; 256 is the size it is meant for."""

    def __init__(self) -> None:
        super().__init__()
        width, head = 64, 96
        self.trunk = ResidualPyramid((16, 32), ((64, 2), (128, 2), (256, 2)), width)
        self.context = nn.Linear(256, width)
        self.head = ConvNormReLU(width, head)
        self.heatmap = nn.Conv2d(head, SHUFFLE**2 * NUM_JOINTS_TWO_HANDS, 1)
        self.depth = nn.Conv2d(head, NUM_JOINTS_TWO_HANDS, 1)
        self.parts = nn.Conv2d(head, SHUFFLE**2 * NUM_PARTS, 1)
        self.hand_fc = nn.Sequential(nn.Linear(256, 128), nn.ReLU(inplace=True), nn.Linear(128, 2))
        self.root_fc = nn.Sequential(nn.Linear(256, 128), nn.ReLU(inplace=True), nn.Linear(128, 1))
        init_weights(self)
        #: Training takes crops that are scaled already, and parts at stride 4 where its loss is.
        self.input_scale = INPUT_SCALE
        self.upsample_parts = True

    def forward(self, images: Tensor) -> DigitOutput:
        """Images (B, 3, H, W) float RGB in [0, 1] to `DigitOutput`.

        H and W times INPUT_SCALE must be multiples of 32.

        Heatmaps are (B, 42, H/4, W/4) and parts (B, 33, H/2, W/2): 64 and 128 at 256 pixels.
        """
        return self.answer(self.heads(images))

    def heads(self, images: Tensor) -> Heads:
        """All layers, nothing decoded; heatmaps and parts at stride 4 of the scaled images."""
        features, deep = self.trunk(_resize(images, self.input_scale))
        pooled = deep.mean((2, 3))
        features = F.relu(features + self.context(pooled)[:, :, None, None])
        features = self.head(features)
        return Heads(
            heatmaps=_shuffled(self.heatmap(features)),
            depth=self.depth(features),
            root=DEPTH_CELLS / 2 * (1 + self.root_fc(pooled)),
            hands=self.hand_fc(pooled),
            parts=_shuffled(self.parts(features)),
        )

    def answer(self, heads: Heads) -> DigitOutput:
        """Decode; no weights in it."""
        heatmaps, depth, root, hands, parts = (head.float() for head in heads)
        # The expectation over the whole map teaches better; a window around the likeliest place
        # answers better, as it does not mix two places into one between them.
        shown = heatmaps if self.training else likeliest_window(heatmaps)
        joints = decode_joints(shown, depth.contiguous(), self.input_scale)
        height, width = (round(int(side) / self.input_scale) for side in heatmaps.shape[-2:])
        heatmaps = enlarged(heatmaps, height, width)
        if self.upsample_parts:
            parts = enlarged(parts, 2 * height, 2 * width)
        return DigitOutput(heatmaps, joints, root, hands, parts)


def _resize(images: Tensor, scale: float) -> Tensor:
    height, width = (int(side) for side in images.shape[-2:])  # plain numbers when traced, too
    size = (round(height * scale), round(width * scale))
    if size == (height, width):
        return images
    return F.interpolate(images, size=size, mode="bilinear", align_corners=False)


def _shuffled(maps: Tensor) -> Tensor:
    """Four channels of each (B, 4 C, H, W) cell to the four cells of (B, C, 2 H, 2 W)."""
    return F.pixel_shuffle(maps.contiguous(), SHUFFLE)


def enlarged(maps: Tensor, height: int, width: int) -> Tensor:
    """Maps (B, C, H, W) at another size, linear, with half-cell centres.

    As products with two matrices, which CPUs do several times as fast as F.interpolate.
    """
    if maps.shape[-2:] == (height, width):
        return maps
    down, across = _interpolation(maps, 2, height), _interpolation(maps, 3, width)
    return down @ maps @ across.T


def _interpolation(maps: Tensor, axis: int, size: int) -> Tensor:
    """(size, cells): how much each cell along an axis weighs in each of the new ones."""
    cells = int(maps.shape[axis])  # a plain number when traced, too
    at = (torch.arange(size, device=maps.device, dtype=torch.float32) + 0.5) * (cells / size) - 0.5
    cell = torch.arange(cells, device=maps.device)
    weights = (1 - (at.clamp(0, cells - 1)[:, None] - cell).abs()).clamp(min=0)
    return weights.to(maps.dtype)


def likeliest_window(heatmaps: Tensor) -> Tensor:
    """Heatmap scores (B, J, H, W), at minus infinity but for a window about the likeliest place.

    The place is where a window of a quarter of the side holds most probability; a third is kept.
    Sums over windows are products with band matrices, which CPUs do ten times as fast as pooling.
    """
    b, j = heatmaps.shape[:2]
    h, w = (int(side) for side in heatmaps.shape[2:])  # plain numbers when traced, too
    p = heatmaps.flatten(2).softmax(2).view(b, j, h, w)
    near = (_band(h, p) @ p @ _band(w, p)).flatten(2).argmax(2)
    rows = torch.arange(h, device=p.device) - near[..., None] // w
    columns = torch.arange(w, device=p.device) - near[..., None] % w
    inside = (rows.abs() <= h // 6)[..., :, None] & (columns.abs() <= w // 6)[..., None, :]
    return heatmaps.masked_fill(~inside, float("-inf"))


def _band(cells: int, like: Tensor) -> Tensor:
    """(cells, cells): 1 where two cells lie within half a window of each other."""
    cell = torch.arange(cells, device=like.device)
    return ((cell[:, None] - cell).abs() <= cells // 9).to(like.dtype)


def decode_joints(heatmaps: Tensor, depth: Tensor, scale: float = 1.0) -> Tensor:
    """Expected place and depth under each heatmap's softmax.

    Args:
        heatmaps: (B, J, H, W) scores.
        depth: (B, J, H/2, W/2) root-relative depth, 1 for 200 mm.
        scale: by which the picture was scaled before.

    Returns:
        (B, J, 3): x, y in cells (four pixels of the full picture each), z in 64 cells of 400 mm.
    """
    h, w = heatmaps.shape[2:]
    p = heatmaps.flatten(2).softmax(2)
    y, x = (torch.arange(n, device=p.device, dtype=p.dtype) + CELL_CENTRE for n in (h, w))
    grid = torch.stack([x.repeat(h), y.repeat_interleave(w)], dim=1)
    xy = p @ grid
    z = (p * F.interpolate(depth, scale_factor=float(SHUFFLE), mode="nearest").flatten(2)).sum(2)
    # Pixel p of a scaled picture lies at (p + 0.5) / scale - 0.5 of the full one.
    shift = (0.5 / scale - 0.5) / 4
    return torch.cat([xy / scale + shift, DEPTH_CELLS / 2 * (1 + z)[..., None]], dim=2)
