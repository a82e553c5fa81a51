# SPDX-License-Identifier: Apache-2.0
"""A key light that casts shadows, a fill light, sky and ground, in batches."""

import torch
from torch import Tensor

from training.synth.draws import Draws
from training.synth.rotations import unit

#: Columns of a light: directions toward it (camera frame) and linear RGB colours.
KEY_DIRECTION, KEY_COLOUR = slice(0, 3), slice(3, 6)
FILL_DIRECTION, FILL_COLOUR = slice(6, 9), slice(9, 12)
SKY_DIRECTION, SKY_COLOUR, GROUND_COLOUR = slice(12, 15), slice(15, 18), slice(18, 21)
SHADOW_STRENGTH, SHADOW_SOFTNESS, EXPOSURE = 21, 22, 23
WIDTH = 24


def random_lights(draws: Draws, n: int) -> Tensor:
    """Lights (n, 24), columns as above. Sometimes nearly flat, sometimes dark or too bright."""
    device = draws.device
    light = torch.zeros(n, WIDTH, device=device)
    direction = draws.normal(0.0, 1.0, n, 3) * torch.tensor([1, 0.8, 0.8], device=device)
    light[:, KEY_DIRECTION] = unit(direction - torch.tensor([0, 0.7, 0.7], device=device))
    warm = torch.tensor([1.0, 0, -1], device=device)
    tint = 1 + draws.normal(0.0, 0.08, n, 3) + draws.normal(0.0, 0.1, n, 1) * warm
    flat = draws.beta(1.0, 1.6, n, 1)
    light[:, KEY_COLOUR] = draws.uniform(0.5, 1.1, n, 1) * (1 - 0.65 * flat) * tint
    toward = draws.normal(0.0, 1.0, n, 3) - torch.tensor([0, 0, 0.6], device=device)
    light[:, FILL_DIRECTION] = unit(toward)
    light[:, FILL_COLOUR] = draws.uniform(0.0, 0.35, n, 1) * draws.normal(1.0, 0.1, n, 3)
    up = draws.normal(0.0, 0.4, n, 3) - torch.tensor([0.0, 1.0, 0.0], device=device)
    light[:, SKY_DIRECTION] = unit(up)
    ambient = (0.15 + 0.6 * flat) * draws.uniform(0.6, 1.3, n, 1)
    sky = ambient * draws.normal(1.0, 0.08, n, 3)
    light[:, SKY_COLOUR] = sky
    light[:, GROUND_COLOUR] = sky * draws.uniform(0.3, 0.9, n, 1)
    shadowed = draws.chance(0.8, n)
    light[:, SHADOW_STRENGTH] = torch.where(shadowed, draws.uniform(0.4, 1.0, n), 0.0)
    light[:, SHADOW_SOFTNESS] = draws.uniform(0.6, 3.0, n)
    usual, any_exposure = draws.uniform(0.75, 1.35, n), draws.uniform(0.25, 1.9, n)
    light[:, EXPOSURE] = torch.where(draws.chance(0.8, n), usual, any_exposure)
    return light
