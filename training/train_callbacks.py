# SPDX-License-Identifier: Apache-2.0
"""What happens beside training: last.ckpt, and pictures of every evaluation."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import TensorBoardLogger

from training import drawing
from training.interhand.dataset import network_input
from training.module import HandModule, loader_of

SHOWN = 4


class LastCheckpoint(pl.Callback):
    """Keeps `path` up to date: every so many updates, and after every epoch."""

    def __init__(self, path: Path, every: int) -> None:
        self.path, self.every = path, every
        self._saved = 0

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save after an update, never between the steps of one; the epoch's end has its own."""
        if trainer.global_step >= self._saved + self.every and not trainer.is_last_batch:
            self._save(trainer)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count from where the run goes on."""
        self._saved = trainer.global_step

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save what the epoch gave."""
        self._save(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        self._saved = trainer.global_step
        trainer.save_checkpoint(self.path)


class Pictures(pl.Callback):
    """Prediction and truth of a few items, after every evaluation, in the first process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw and write them."""
        if not trainer.is_global_zero or not isinstance(pl_module, HandModule):
            return
        data = loader_of(trainer.val_dataloaders).dataset
        places = [(len(data) * i // SHOWN, 0) for i in range(min(SHOWN, len(data)))]
        batch = data.__getitems__(places)
        images = network_input(batch).to(pl_module.device)
        with torch.no_grad():
            output = pl_module(images)
        rows = [
            drawing.draw_item(
                drawing.patch_of(batch, i), drawing.prediction_and_truth(batch, output, i)
            )
            for i in range(len(places))
        ]
        self.folder.mkdir(parents=True, exist_ok=True)
        for i, row in enumerate(rows):
            path = self.folder / f"epoch={trainer.current_epoch}_{i}.png"
            drawing.write_picture(path, row)
            for logger in trainer.loggers:
                if isinstance(logger, TensorBoardLogger):
                    logger.experiment.add_image(
                        f"evaluation/{i}", row, trainer.global_step, dataformats="HWC"
                    )
