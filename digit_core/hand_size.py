# SPDX-License-Identifier: Apache-2.0
"""The size of a hand: what it means, an adult's, and what follows from it for depths."""

from dataclasses import dataclass

import numpy as np

from digit_core.skeleton import JOINT_NAMES, WRIST

#: The size of a hand is the length of this chain along its bones.
CHAIN = (WRIST,) + tuple(JOINT_NAMES.index(f"middle_{i}") for i in (1, 2, 3, 4))
#: Adult mean and spread of the hand's length, wrist crease to middle fingertip: men 193 mm, women
#: 181 mm, each with a standard deviation of 10 mm, equal shares. ANSUR II (Gordon et al., 2012
#: Anthropometric Survey of U.S. Army Personnel, NATICK/TR-15/007).
ADULT_HAND_SIZE_M = 0.187
ADULT_HAND_SIZE_SIGMA_M = 0.012
#: What a stated size is trusted to: a ruler along a bent chain of joints under skin.
STATED_SIZE_SIGMA_M = 0.003


@dataclass(frozen=True)
class HandScale:
    """What is known about the size of the hands.

    Attributes:
        size_m: length of the chain, metres.
        sigma_m: its standard deviation.
        reference_m: size of the hands whose depths the network tells. A crop does not show
            how big a hand is, so relative depths are scaled by size_m / reference_m.

    >>> HandScale.of(0.17).size_m
    0.17
    >>> HandScale.of(None).size_m == ADULT_HAND_SIZE_M
    True
    """

    size_m: float = ADULT_HAND_SIZE_M
    sigma_m: float = ADULT_HAND_SIZE_SIGMA_M
    reference_m: float = ADULT_HAND_SIZE_M

    def __post_init__(self) -> None:
        if not (0.05 <= self.size_m <= 0.4 and 0.05 <= self.reference_m <= 0.4):
            raise ValueError(f"hand size must lie in 0.05 to 0.4 m, got {self.size_m}")
        if not 0 <= self.sigma_m < self.size_m:
            raise ValueError(f"hand size's deviation must be small, got {self.sigma_m} m")

    @classmethod
    def of(cls, size_m: float | None, reference_m: float = ADULT_HAND_SIZE_M) -> "HandScale":
        """A stated size, or the reference's with an adult's spread where it is None."""
        if size_m is None:
            return cls(reference_m, ADULT_HAND_SIZE_SIGMA_M, reference_m)
        return cls(size_m, STATED_SIZE_SIGMA_M, reference_m)

    @property
    def depth_factor(self) -> float:
        """What the network's relative depths are multiplied by."""
        return self.size_m / self.reference_m


def chain_length(joints: np.ndarray) -> np.ndarray:
    """Size of hands (..., 21, 3) in metres, public order: (...,) metres.

    >>> joints = np.zeros((21, 3))
    >>> joints[9:13, 1] = [0.09, 0.13, 0.16, 0.18]  # the middle finger, straight
    >>> round(float(chain_length(joints)), 3)
    0.18
    """
    chain = np.asarray(joints)[..., list(CHAIN), :]
    return np.asarray(np.linalg.norm(np.diff(chain, axis=-2), axis=-1).sum(axis=-1))
