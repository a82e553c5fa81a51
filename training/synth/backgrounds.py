# SPDX-License-Identifier: Apache-2.0
"""Backgrounds for a batch: random windows of a pool of pictures, recoloured."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from training.synth.background import random_background
from training.synth.draws import Draws

_SIDE = 320
_POOL_SEED = 20_260_101


class Backgrounds:
    """A pool of pictures on a device; every picture drawn from it is another one.

    Args:
        device: where it is.
        count: procedural pictures.
        photos: (H, W, 3) uint8 each, real ones without hands that are in the pool, too.
    """

    def __init__(self, device: torch.device, count: int, photos: Sequence[np.ndarray] = ()) -> None:
        rng = np.random.default_rng(_POOL_SEED)
        made = [random_background(rng, _SIDE, _SIDE) for _ in range(count)]
        size = (_SIDE, _SIDE)
        made += [cv2.resize(photo, size, interpolation=cv2.INTER_AREA) for photo in photos]
        pool = np.stack(made)
        self._pool = torch.from_numpy(pool).permute(0, 3, 1, 2).to(device)

    def draw(self, draws: Draws, n: int, width: int, height: int) -> Tensor:
        """n backgrounds (n, height, width, 3) uint8."""
        out = self._windows(draws, n, width, height)
        # One picture behind the edge of another.
        second = self._windows(draws, n, width, height)
        split = draws.chance(0.25, n, 1, 1, 1)
        out = torch.where(split & self._half_planes(draws, n, width, height), second, out)
        gain, offset = draws.normal(1.0, 0.15, n, 3, 1, 1), draws.normal(0.0, 0.06, n, 3, 1, 1)
        out = ((out - 0.5) * gain + 0.5 + offset).clamp(0, 1)
        return (out * 255).to(torch.uint8).permute(0, 2, 3, 1)

    def _windows(self, draws: Draws, n: int, width: int, height: int) -> Tensor:
        chosen = self._pool[draws.integers(len(self._pool), n)].float() / 255
        scale, angle = draws.uniform(0.3, 1.0, n), draws.uniform(-math.pi, math.pi, n)
        angle = torch.where(draws.chance(0.5, n), torch.zeros_like(angle), angle)
        flip = torch.where(draws.chance(0.5, n), 1.0, -1.0)
        c, s = scale * torch.cos(angle), scale * torch.sin(angle)
        shift = draws.uniform(-0.5, 0.5, n, 2)
        theta = torch.stack([c * flip, -s, shift[:, 0], s * flip, c, shift[:, 1]], 1).view(n, 2, 3)
        grid = torch.nn.functional.affine_grid(theta, [n, 3, height, width], align_corners=False)
        return torch.nn.functional.grid_sample(
            chosen, grid, mode="bilinear", padding_mode="reflection", align_corners=False
        )

    def _half_planes(self, draws: Draws, n: int, width: int, height: int) -> Tensor:
        angle = draws.uniform(0.0, 2 * math.pi, n, 1, 1)
        x = torch.linspace(-1, 1, width, device=angle.device)
        y = torch.linspace(-1, 1, height, device=angle.device)[:, None]
        side = torch.cos(angle) * x + torch.sin(angle) * y > draws.uniform(-0.8, 0.8, n, 1, 1)
        return side[:, None]
