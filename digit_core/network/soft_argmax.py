# SPDX-License-Identifier: Apache-2.0
"""Expected positions under a softmax, with the cell conventions of the published network."""

import torch
from torch import Tensor


def heatmap_probabilities(heatmaps: Tensor) -> Tensor:
    """Softmax over each map: (B, J, H, W) scores to (B, J, H, W) that sum to one per joint."""
    return heatmaps.flatten(2).softmax(dim=2).view(heatmaps.shape)


def expected_xy(probabilities: Tensor) -> Tensor:
    """Mean position of each map, in cells; cell k counts as k + 0.5.

    Args:
        probabilities: (B, J, H, W), summing to one over each map.

    Returns:
        (B, J, 2) x, y in [0.5, W - 0.5] and [0.5, H - 0.5].
    """
    x = _expectation(probabilities.sum(dim=2), 0.5)
    y = _expectation(probabilities.sum(dim=3), 0.5)
    return torch.stack((x, y), dim=2)


def expected_value(probabilities: Tensor, values: Tensor) -> Tensor:
    """Mean of `values` (B, J, H, W) under `probabilities` (B, J, H, W): (B, J)."""
    return (probabilities * values).flatten(2).sum(dim=2)


def soft_argmax_1d(scores: Tensor) -> Tensor:
    """Mean bin of (B, N) scores under a softmax: (B, 1) in [0, N - 1]; bin k counts as k."""
    return _expectation(scores.softmax(dim=1), 0.0).unsqueeze(1)


def _expectation(probabilities: Tensor, offset: float) -> Tensor:
    cells = torch.arange(
        probabilities.shape[-1], dtype=probabilities.dtype, device=probabilities.device
    )
    return (probabilities * (cells + offset)).sum(dim=-1)
