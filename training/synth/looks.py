# SPDX-License-Identifier: Apache-2.0
"""Looks of people: skin, nails, hair, sleeves, watches; linear RGB, in batches."""

from dataclasses import dataclass

import torch
from torch import Tensor

from training.synth.draws import Draws

#: sRGB skin tones from light to dark; a person's is drawn between two neighbours.
_SKIN_TONES = (
    torch.tensor(
        [
            [250, 222, 205],
            [240, 200, 172],
            [226, 178, 142],
            [205, 150, 112],
            [172, 116, 78],
            [126, 80, 54],
            [82, 52, 38],
        ]
    )
    / 255.0
)
NOWHERE = 9.0  # metres behind the wrist: a sleeve or a watch that is not there


@dataclass
class Looks:
    """n people; colours (n, 3) are linear RGB, all else (n,).

    Attributes:
        skin, palm, nail: albedo of the back of the hand, of the palm, of the nails.
        grain, bump, gloss: of the skin.
        sleeve_from_m: distance behind the wrist where the sleeve begins; NOWHERE for bare arms.
        sleeve_thickness_m: how far cloth stands off.
        sleeve, stripe: colours of the cloth; stripe_m is the stripes' width, 0 for none.
        watch_m: distance behind the wrist of a band, or NOWHERE; watch is its colour.
        shirt, hair: colours; hairless people have skin there.
    """

    skin: Tensor
    palm: Tensor
    nail: Tensor
    grain: Tensor
    bump: Tensor
    gloss: Tensor
    sleeve_from_m: Tensor
    sleeve_thickness_m: Tensor
    sleeve: Tensor
    stripe: Tensor
    stripe_m: Tensor
    watch_m: Tensor
    watch: Tensor
    shirt: Tensor
    hair: Tensor


def linear(srgb: Tensor) -> Tensor:
    """sRGB in 0..1 to linear RGB by a gamma of 2.2, as the renderer writes it."""
    return srgb.clamp(0, 1) ** 2.2


def random_colours(draws: Draws, n: int) -> Tensor:
    """Cloth or thing colours (n, 3): often grey, black or white, else anything; linear RGB."""
    dark, light = draws.uniform(0.03, 0.2, n, 1), draws.uniform(0.2, 0.9, n, 1)
    grey = torch.where(draws.chance(0.5, n, 1), dark, light) + draws.normal(0.0, 0.02, n, 3)
    any_colour = draws.uniform(0.03, 0.95, n, 3)
    return linear(torch.where(draws.chance(0.4, n, 1), grey, any_colour))


def random_looks(draws: Draws, n: int) -> Looks:
    """Skin and clothes of n people."""
    tones = _SKIN_TONES.to(draws.device)
    t = draws.beta(0.9, 1.1, n) * (len(tones) - 1)
    low = t.long().clamp(max=len(tones) - 2)
    share = (t - low)[:, None]
    tone = tones[low] * (1 - share) + tones[low + 1] * share
    tone = tone * draws.normal(1.0, 0.035, n, 3) * draws.uniform(0.9, 1.08, n, 1)
    darkness = (t / (len(tones) - 1))[:, None]
    pale = torch.tensor([0.85, 0.62, 0.5], device=draws.device) * draws.uniform(0.85, 1.1, n, 1)
    palm = tone + (0.15 + 0.55 * darkness) * draws.uniform(0.4, 1.0, n, 1) * (pale - tone)
    nail = palm * torch.tensor([1.05, 0.98, 0.97], device=draws.device) + 0.04
    painted = draws.chance(0.15, n, 1)
    nail = torch.where(painted, draws.uniform(0.05, 0.95, n, 3), nail)
    sleeve = random_colours(draws, n)
    return Looks(
        skin=linear(tone),
        palm=linear(palm),
        nail=linear(nail),
        grain=draws.uniform(0.03, 0.22, n),
        bump=draws.uniform(0.0, 0.55, n),
        gloss=draws.beta(1.2, 2.5, n),
        sleeve_from_m=_sleeve_begin(draws, n),
        sleeve_thickness_m=draws.uniform(0.002, 0.016, n),
        sleeve=sleeve,
        stripe=random_colours(draws, n),
        stripe_m=draws.chance(0.33, n) * draws.uniform(0.006, 0.03, n),
        watch_m=torch.where(draws.chance(0.18, n), draws.uniform(0.025, 0.06, n), NOWHERE),
        watch=random_colours(draws, n),
        shirt=torch.where(draws.chance(0.7, n, 1), sleeve, random_colours(draws, n)),
        hair=_hair(draws, n, linear(tone)),
    )


def _sleeve_begin(draws: Draws, n: int) -> Tensor:
    near = draws.uniform(0.012, 0.06, n)
    far = draws.uniform(0.06, 0.34, n)
    begin = torch.where(draws.chance(0.55, n), near, far)
    return torch.where(draws.chance(0.62, n), begin, NOWHERE)


def _hair(draws: Draws, n: int, skin: Tensor) -> Tensor:
    brown = torch.tensor([1.0, 0.8, 0.6], device=draws.device)
    dark = torch.tensor([0.06, 0.12, 0.25, 0.5, 0.8], device=draws.device)[draws.integers(5, n)]
    colour = linear(dark[:, None] * (brown + draws.uniform(-0.1, 0.35, n, 1)))
    return torch.where(draws.chance(0.85, n, 1), colour, skin)
