# SPDX-License-Identifier: Apache-2.0
"""Exponential moving average of a network's weights, which is what ships."""

import copy

import torch
from torch import nn


class Average:
    """A copy of a network that follows it; young averages follow faster.

    Attributes:
        net: the averaged network, in eval mode.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        self._decay, self._updates = decay, 0
        mine, theirs = self.net.state_dict(), net.state_dict()
        floats = [k for k, v in mine.items() if v.is_floating_point()]
        self._pairs = [mine[k] for k in floats], [theirs[k] for k in floats]

    @torch.no_grad()
    def update(self) -> None:
        """Move toward the network's weights."""
        self._updates += 1
        share = 1 - min(self._decay, (1 + self._updates) / (10 + self._updates))
        torch._foreach_lerp_(*self._pairs, share)

    def state_dict(self) -> dict:
        """Weights and count."""
        return {"weights": self.net.state_dict(), "updates": self._updates}

    def load_state_dict(self, state: dict) -> None:
        """Restore what `state_dict` gave."""
        self.net.load_state_dict(state["weights"])
        self._updates = state["updates"]
