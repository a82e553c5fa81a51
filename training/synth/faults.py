# SPDX-License-Identifier: Apache-2.0
"""What cameras do to pictures, in batches: blur, low resolution, colour, noise, compression."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from training.synth.draws import Draws

_BLUR = 9
#: Groups of a batch: their share, and the share of the full resolution that their camera had, least
#: and most. Crops of small hands have few pixels of their own; whole frames have theirs.
Resolutions = tuple[tuple[float, tuple[float, float] | None], ...]
OF_CROPS: Resolutions = (
    (0.3, None),
    (0.28, (0.5, 0.95)),
    (0.25, (0.25, 0.5)),
    (0.17, (0.13, 0.25)),
)
OF_FRAMES: Resolutions = ((0.6, None), (0.3, (0.6, 0.95)), (0.1, (0.35, 0.6)))


def degrade(draws: Draws, rgb: Tensor, resolutions: Resolutions = OF_CROPS) -> Tensor:
    """Camera faults of each kind in some of n pictures.

    Args:
        draws: source of randomness.
        rgb: (n, H, W, 3) uint8.
        resolutions: of the cameras.

    Returns:
        (n, 3, H, W) float32 in 0..1, rounded to the levels of a byte.
    """
    x = rgb.permute(0, 3, 1, 2).float() / 255
    n = len(x)
    blurred = draws.some(0.28, n)
    x[blurred] = _blur(draws, x[blurred])
    # Small hands move by much of their own size while the shutter is open.
    smeared = draws.some(0.14, n)
    half = _blur(draws, F.avg_pool2d(x[smeared], 2)) if len(smeared) else x[:0]
    if len(half):
        x[smeared] = F.interpolate(half, size=x.shape[-2:], mode="bilinear", align_corners=False)
    x = _colour(draws, x)
    order, first = draws.some(1.0, n), 0
    for i, (share, scale) in enumerate(resolutions):
        last = n if i == len(resolutions) - 1 else first + round(share * n)
        group = order[first:last]
        if len(group):
            x[group] = _sensor(draws, x[group], scale)
        first = last
    covered = draws.some(0.12, n)
    x[covered] = cut_out(draws, x[covered])
    return (x.clamp(0, 1) * 255).round() / 255


def _sensor(draws: Draws, x: Tensor, scale: tuple[float, float] | None) -> Tensor:
    """Noise and compression at a camera's own resolution, then up to the picture's."""
    height, width = x.shape[-2:]
    if scale is not None:
        share = math.exp(draws.number(math.log(scale[0]), math.log(scale[1])))
        small = [max(8, 8 * round(side * share / 8)) for side in (height, width)]
        x = F.interpolate(x, size=small, mode="area")
    noisy = draws.some(0.45, len(x))
    x[noisy] = _noise(draws, x[noisy])
    compressed = draws.some(0.4, len(x))
    x[compressed] = _compress(draws, x[compressed].clamp(0, 1))
    if scale is not None:
        mode = "bicubic" if draws.number(0, 1) < 0.3 else "bilinear"
        x = F.interpolate(x, size=(height, width), mode=mode, align_corners=False)
    return x


def _colour(draws: Draws, x: Tensor) -> Tensor:
    n = len(x)
    gamma = torch.exp(draws.normal(0.0, 0.24, n, 1, 1, 1))
    x = x.clamp(1e-4, 1) ** gamma
    contrast = torch.exp(draws.normal(0.0, 0.22, n, 1, 1, 1))
    x = (x - 0.5) * contrast + 0.5 + draws.normal(0.0, 0.08, n, 1, 1, 1)
    x = x * draws.normal(1.0, 0.09, n, 3, 1, 1)
    grey = (x * x.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    saturation = torch.exp(draws.normal(0.0, 0.25, n, 1, 1, 1))
    saturation = torch.where(draws.chance(0.08, n, 1, 1, 1), 0.0, saturation)
    return (grey + saturation * (x - grey)).clamp(0, 1)


def _blur(draws: Draws, x: Tensor) -> Tensor:
    """Out of focus, or moved along a line; (n, 3, H, W)."""
    n = len(x)
    if n == 0:
        return x
    line = torch.arange(_BLUR, device=x.device) - _BLUR // 2
    u, v = line.float()[None, None], line.float()[None, :, None]
    sigma = draws.uniform(0.4, 2.0, n, 1, 1)
    round_spot = torch.exp(-(u**2 + v**2) / (2 * sigma**2))
    angle, length = draws.uniform(0.0, math.pi, n, 1, 1), draws.uniform(2.0, 9.0, n, 1, 1)
    along = (torch.cos(angle) * u + torch.sin(angle) * v).abs()
    across = torch.cos(angle) * v - torch.sin(angle) * u
    streak = torch.exp(-2 * across**2) * torch.sigmoid(4 * (length / 2 - along))
    kernel = torch.where(draws.chance(0.5, n, 1, 1), streak, round_spot)
    kernel = (kernel / kernel.sum((1, 2), keepdim=True)).repeat_interleave(3, 0)[:, None]
    padded = F.pad(x, [_BLUR // 2] * 4, mode="replicate").flatten(0, 1)[None]
    return F.conv2d(padded, kernel, groups=3 * n)[0].view_as(x)


def _noise(draws: Draws, x: Tensor) -> Tensor:
    """Grain, of single pixels or of the clumps that denoising leaves; (n, 3, H, W)."""
    n, _, height, width = x.shape
    if n == 0:
        return x
    strength = (draws.gamma(1.5, 4.0, n, 1, 1, 1) + 1) / 255
    fine = draws.normal(0.0, 1.0, n, 3, height, width)
    coarse = draws.normal(0.0, 1.0, n, 3, max(height // 2, 1), max(width // 2, 1))
    coarse = F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
    return x + strength * torch.where(draws.chance(0.7, n, 1, 1, 1), fine, coarse)


#: Quantisation of brightness and colour, ITU-T T.81 (JPEG) annex K.
_BRIGHTNESS = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
_TINT = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99),
    *(24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99),
    *(99,) * 32,
)


def _compress(draws: Draws, x: Tensor) -> Tensor:
    """What JPEG leaves of (n, 3, H, W) in 0..1; sides are multiples of 8."""
    n = len(x)
    if n == 0:
        return x
    to_ycc = x.new_tensor(
        [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
    )
    ycc = torch.einsum(
        "ij,njhw->nihw", to_ycc, x * 255 - 128 * x.new_tensor([1.0, 1, 1])[:, None, None]
    )
    half = F.interpolate(F.avg_pool2d(ycc[:, 1:], 2), scale_factor=2.0, mode="nearest")
    ycc = torch.cat([ycc[:, :1], half], 1)
    quality = draws.uniform(12.0, 85.0, n, 1)
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50)
    tables = x.new_tensor([_BRIGHTNESS, _TINT, _TINT]).view(3, 1, 8, 1, 8)
    step = (tables * scale.view(n, 1, 1, 1, 1, 1)).clamp(min=1)
    dct = _cosines(x.device)
    blocks = ycc.unflatten(3, (-1, 8)).unflatten(2, (-1, 8))
    waves = torch.einsum("ij,ncajbk,lk->ncaibl", dct, blocks, dct)
    waves = (waves / step).round() * step
    blocks = torch.einsum("ij,ncaibl,lk->ncajbk", dct, waves, dct)
    ycc = blocks.flatten(4, 5).flatten(2, 3)
    return (torch.einsum("ij,njhw->nihw", torch.linalg.inv(to_ycc), ycc) + 128) / 255


def _cosines(device: torch.device) -> Tensor:
    """The orthonormal cosine transform of 8 samples, (8, 8)."""
    k, i = torch.arange(8.0, device=device)[:, None], torch.arange(8.0, device=device)
    rows = torch.cos(math.pi / 8 * (i + 0.5) * k) / 2
    rows[0] /= math.sqrt(2)
    return rows


def cut_out(draws: Draws, x: Tensor) -> Tensor:
    """Cover a random rectangle of each picture (n, 3, H, W) with a colour."""
    n, _, height, width = x.shape
    size, middle = draws.uniform(0.08, 0.3, n, 2), draws.uniform(0.0, 1.0, n, 2)
    u = torch.linspace(0, 1, width, device=x.device)
    v = torch.linspace(0, 1, height, device=x.device)
    inside_x = (u - middle[:, :1]).abs() < size[:, :1] / 2
    inside_y = (v - middle[:, 1:]).abs() < size[:, 1:] / 2
    inside = inside_y[:, None, :, None] & inside_x[:, None, None]
    return torch.where(inside, draws.uniform(0.0, 1.0, n, 3, 1, 1), x)
