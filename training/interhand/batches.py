# SPDX-License-Identifier: Apache-2.0
"""Which items come in which batch, the same for all numbers of processes and workers."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

Place = tuple[int, int]


class TrainingBatches(Sampler[list[Place]]):
    """Each epoch's shuffled batches of one process: every WORLD-th, from RANK on.

    A last batch that is not full for all processes is dropped, as in the release, unless it is the
    only one.

    Args:
        count: items of the data set.
        batch: items of a batch.
        rank, world: this process, and how many there are.
        seed: of the shuffling.

    Attributes:
        epoch: which is next.
        skip: batches of the next epoch that were trained on already.
    """

    def __init__(
        self, count: int, batch: int, rank: int = 0, world: int = 1, seed: int = 1
    ) -> None:
        self.count, self.rank, self.world, self.seed = count, rank, world, seed
        self.batch = min(batch, max(1, count // world))
        self.epoch, self.skip = 0, 0

    def set_epoch(self, epoch: int) -> None:
        """The trainer says which epoch is next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count // (self.batch * self.world)

    def __iter__(self) -> Iterator[list[Place]]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.count)
        skip, self.skip = self.skip, 0
        for number in range(skip, len(self)):
            start = (number * self.world + self.rank) * self.batch
            yield [(int(index), self.epoch) for index in order[start : start + self.batch]]


class EvaluationBatches(Sampler[list[Place]]):
    """One process's share of all items, none twice: every WORLD-th from RANK on, in batches."""

    def __init__(self, count: int, batch: int, rank: int = 0, world: int = 1) -> None:
        self.indices, self.batch = range(rank, count, world), batch

    def __len__(self) -> int:
        return -(-len(self.indices) // self.batch)

    def __iter__(self) -> Iterator[list[Place]]:
        for start in range(0, len(self.indices), self.batch):
            yield [(index, 0) for index in self.indices[start : start + self.batch]]
