# SPDX-License-Identifier: Apache-2.0
"""Random numbers in batches on any device, all from one seeded generator."""

import random

import torch
from torch import Tensor


class Draws:
    """A generator and the distributions that rendering draws from; float32 on its device.

    Args:
        seed: of all numbers.
        device: where they are made.
        alike: every row of a batch gets the same numbers, as the frames of one clip must.
    """

    def __init__(
        self, seed: int, device: str | torch.device = "cpu", *, alike: bool = False
    ) -> None:
        self.device = torch.device(device)
        self._alike = alike
        self._generator = torch.Generator(self.device).manual_seed(seed)
        self._numbers = random.Random(seed)

    def number(self, low: float, high: float) -> float:
        """One uniform number on the host, for what a whole batch shares, such as sizes."""
        return self._numbers.uniform(low, high)

    def some(self, share: float, n: int) -> Tensor:
        """Indices of a random share of n."""
        order = torch.rand(n, generator=self._generator, device=self.device).argsort()
        return order[: round(share * n)]

    def uniform(self, low, high, *shape: int) -> Tensor:
        """Uniform in [low, high); the limits may be tensors that broadcast to the shape."""
        t = torch.rand(self._rows(shape), generator=self._generator, device=self.device)
        return (low + t * (high - low)).expand(shape)

    def normal(self, mean, std, *shape: int) -> Tensor:
        """Normal; mean and std may be tensors that broadcast to the shape."""
        t = torch.randn(self._rows(shape), generator=self._generator, device=self.device)
        return (mean + std * t).expand(shape)

    def chance(self, p, *shape: int) -> Tensor:
        """True with probability p."""
        return self.uniform(0.0, 1.0, *shape) < p

    def integers(self, high: int, *shape: int) -> Tensor:
        """Integers in [0, high)."""
        rows = self._rows(shape)
        t = torch.randint(high, rows, generator=self._generator, device=self.device)
        return t.expand(shape)

    def kinds(self, shares: tuple[float, ...], n: int) -> Tensor:
        """Indices (n,) of kinds with these shares."""
        p, rows = torch.tensor(shares, device=self.device), self._rows((n,))[0]
        return torch.multinomial(p, rows, replacement=True, generator=self._generator).expand(n)

    def gamma(self, k: float, scale: float, *shape: int) -> Tensor:
        """Gamma of shape parameter k."""
        alpha = torch.full(self._rows(shape), k, device=self.device)
        return (scale * torch._standard_gamma(alpha, generator=self._generator)).expand(shape)

    def beta(self, a: float, b: float, *shape: int) -> Tensor:
        """Beta(a, b), 0 to 1."""
        x, y = self.gamma(a, 1.0, *shape), self.gamma(b, 1.0, *shape)
        return x / (x + y).clamp(min=1e-12)

    def directions(self, n: int) -> Tensor:
        """Unit vectors (n, 3) in all directions alike."""
        return torch.nn.functional.normalize(self.normal(0.0, 1.0, n, 3), dim=1)

    def _rows(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (1, *shape[1:]) if self._alike and shape else shape
