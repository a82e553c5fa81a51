# SPDX-License-Identifier: Apache-2.0
"""Data loaders as the trainer asks for them, one share for each process."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import lightning.pytorch as pl
from torch.utils.data import DataLoader

from training.interhand.batches import EvaluationBatches, TrainingBatches
from training.interhand.dataset import InterHand, split_of
from training.interhand.raw import SplitFiles
from training.interhand.table import prepare_table
from training.interhand.variations import Variations


@dataclass(frozen=True)
class Reading:
    """How data is read.

    Attributes:
        root: InterHand2.6M's folder.
        workers: processes per training process.
        depth_source: of evaluation.
        seed: of shuffling and variations.
    """

    root: Path
    workers: int
    depth_source: str = "rootnet"
    seed: int = 1


class InterHandLoaders(pl.LightningDataModule):
    """Loaders of one training and one evaluation subset; either may be "".

    Args:
        reading: how.
        train: training subset.
        evaluate: evaluation subset.
        batch: training items per process and step.
        test_batch: evaluation items per process and step.
        variations: what training varies beyond the release's.
    """

    def __init__(
        self,
        reading: Reading,
        train: str = "",
        evaluate: str = "",
        batch: int = 16,
        test_batch: int = 16,
        variations: Variations = Variations(),  # noqa: B008  frozen
    ) -> None:
        super().__init__()
        self.reading, self.batch, self.test_batch = reading, batch, test_batch
        self.names = {"train": train, "evaluate": evaluate}
        self.variations = variations
        self.prepare_data_per_node = True

    def prepare_data(self) -> None:
        """Make the memory-mapped annotations, in one process of each machine."""
        for subset in filter(None, self.names.values()):
            prepare_table(SplitFiles(self.reading.root, split_of(subset)))

    def setup(self, stage: str) -> None:
        """Open the data sets."""
        read = self.reading
        if self.names["train"] and stage == "fit":
            self.train_set = InterHand(
                read.root, self.names["train"], "gt", self.variations, read.seed
            )
        if self.names["evaluate"]:
            self.evaluation_set = InterHand(read.root, self.names["evaluate"], read.depth_source)

    def train_dataloader(self) -> DataLoader:
        """Shuffled batches, going on where a resumed run stopped."""
        count, seed = len(self.train_set), self.reading.seed
        batches = TrainingBatches(count, self.batch, *self._ranks(), seed)
        done = _of(self).fit_loop.epoch_loop.batch_progress.current.ready
        batches.skip = done if done < len(batches) else 0
        return self._loader(self.train_set, batches)

    def val_dataloader(self) -> DataLoader:
        """This process's share of the evaluation subset."""
        count = len(self.evaluation_set)
        batches = EvaluationBatches(count, self.test_batch, *self._ranks())
        return self._loader(self.evaluation_set, batches)

    test_dataloader = val_dataloader

    def _ranks(self) -> tuple[int, int]:
        trainer = _of(self)
        return trainer.global_rank, trainer.world_size

    def _loader(self, data: InterHand, batches: Any) -> DataLoader:
        workers = self.reading.workers
        return DataLoader(
            data,
            batch_sampler=batches,
            num_workers=workers,
            collate_fn=_as_it_is,
            pin_memory=_of(self).strategy.root_device.type == "cuda",
            persistent_workers=workers > 0,
            worker_init_fn=_one_thread,
        )


def _of(loaders: InterHandLoaders) -> pl.Trainer:
    assert loaders.trainer is not None  # the trainer itself asks for loaders
    return loaders.trainer


def _as_it_is(batch: Any) -> Any:
    """The data set makes whole batches."""
    return batch


def _one_thread(_: int) -> None:
    cv2.setNumThreads(1)
