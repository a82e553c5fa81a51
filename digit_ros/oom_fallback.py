# SPDX-License-Identifier: Apache-2.0
"""What is done when the device's memory is short: fewer images at a time, then the CPU."""

import time
from collections.abc import Callable, Sequence

import torch

from digit_core.estimator import DigitEstimator
from digit_core.hands import TwoHands
from digit_core.request import ImageRequest
from digit_core.track_state import TrackState

#: After so long the device is tried again with all images together.
RETRY_S = 30.0


class OomFallback:
    """Runs jobs as `DigitEstimator.run` does, whatever else uses the device's memory.

    Where a batch finds no memory, half as many images go through the network at a time; where a
    single one finds none, the CPU takes over.
    """

    def __init__(
        self,
        estimator: DigitEstimator,
        on_cpu: Callable[[], DigitEstimator],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_cpu` gives an estimator of the same weights on the CPU; asked when it is needed."""
        self._estimator, self._make_cpu, self._clock_s = estimator, on_cpu, clock_s
        self._cpu: DigitEstimator | None = None
        self._most: int | None = None  # images at a time, 0: on the CPU; None: all
        self._until_s = 0.0

    @property
    def device(self) -> str:
        """Where the network runs now."""
        return "cpu" if self._most == 0 else str(self._estimator.networks.device)

    @property
    def engine(self) -> str:
        """What runs it there."""
        return (self._estimator if self._most != 0 else self._on_cpu()).engine

    @property
    def note(self) -> str:
        """What is amiss now, in a sentence; empty when nothing is."""
        if self._most is None:
            return ""
        device = self._estimator.networks.device
        told = f"{self._most} image(s) at a time" if self._most else "the network runs on the CPU"
        return f"{device} is out of memory: {told}; it is tried again after {RETRY_S:g} s"

    def run(self, jobs: Sequence[tuple[TrackState, ImageRequest]]) -> list[TwoHands]:
        """One result a job, in order.

        Raises:
            ValueError: as `DigitEstimator.run`.
        """
        if self._most is not None and self._clock_s() >= self._until_s:
            self._most, self._cpu = None, None
        if not jobs:
            return []
        if self._most == 0:
            return self._on_cpu().run(jobs)
        most = min(self._most or len(jobs), len(jobs))
        try:
            first = self._estimator.run(jobs[:most])
        except torch.OutOfMemoryError:
            self._give_way(most // 2)
            return self.run(jobs)
        return first + self.run(jobs[most:])

    def _give_way(self, most: int) -> None:
        self._most, self._until_s = most, self._clock_s() + RETRY_S
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    def _on_cpu(self) -> DigitEstimator:
        if self._cpu is None:
            self._cpu = self._make_cpu()
        return self._cpu
