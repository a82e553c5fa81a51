# SPDX-License-Identifier: Apache-2.0
"""The network as PyTorch Lightning trains and evaluates it."""

from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from digit_core.network.output import DigitOutput
from training.evaluation import Collector, Evaluation
from training.interhand.dataset import Batch, InterHand, network_input
from training.losses import HEATMAP_ORIGINS, HEATMAP_WEIGHTS, heatmap_loss, loss_terms


@dataclass(frozen=True)
class Schedule:
    """Adam's rate `rate`, times `decay` at the beginning of each of `milestones` (epochs)."""

    rate: float = 1e-4
    milestones: tuple[int, ...] = ()
    decay: float = 0.1


class HandModule(pl.LightningModule):
    """Loss, optimiser and figures of one network.

    Args:
        model: a network of `digit_core.network.MODELS`.
        name: its name there; checkpoints carry it, so that `digit_core.load_model` reads them.
        schedule: of the learning rate.
        parts: train the part segmentation; without it the network is `without_parts` already.
        keep_parts: keep part labels when evaluating.
        heatmap_weight: of `heatmap_loss`; None takes the network's in `HEATMAP_WEIGHTS`.

    Attributes:
        evaluation: of the last evaluation, in every process.
    """

    def __init__(
        self,
        model: nn.Module,
        name: str,
        schedule: Schedule = Schedule(),  # noqa: B008  frozen
        parts: bool = True,
        keep_parts: bool = False,
        heatmap_weight: float | None = None,
    ) -> None:
        super().__init__()
        self.model, self.name, self.schedule = model, name, schedule
        self.parts, self.keep_parts = parts, keep_parts
        self.heatmap_weight = HEATMAP_WEIGHTS[name] if heatmap_weight is None else heatmap_weight
        self.evaluation: Evaluation | None = None
        self._collector = Collector()

    def forward(self, images: Tensor) -> DigitOutput:
        """The network's answer, in float32."""
        return DigitOutput(*(value.float() for value in self.model(images)))

    def training_step(self, batch: Batch, number: int) -> Tensor:
        """Loss of one batch."""
        terms = self.losses(batch)
        loss = torch.stack(list(terms.values())).sum()
        shown = {f"train/{key}": value.detach() for key, value in terms.items()}
        self.log_dict(shown | {"train/total": loss.detach()}, batch_size=len(batch.rows))
        self.log("loss", loss.detach(), prog_bar=True, logger=False, batch_size=len(batch.rows))
        return loss

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Weighted terms of one batch; what is not asked for is left out."""
        output = self(network_input(batch))
        terms = loss_terms(output, batch.targets)._asdict()
        if not self.parts:
            del terms["parts"]
        if self.heatmap_weight:
            found = heatmap_loss(output.heatmaps, batch.targets, HEATMAP_ORIGINS[self.name])
            terms["heatmaps"] = self.heatmap_weight * found
        return terms

    def on_validation_epoch_start(self) -> None:
        """All processes go on with the same batch norms."""
        self._collector = Collector(self.keep_parts)
        average_norms(self.model)

    def validation_step(self, batch: Batch, number: int) -> None:
        """Keep the answers for one batch."""
        self._collector.add(batch, self(network_input(batch)))

    def on_validation_epoch_end(self) -> None:
        """Figures over the whole data set."""
        data: InterHand = loader_of(self.trainer.val_dataloaders).dataset
        self.evaluation = self._collector.finish(data)
        figures = self.evaluation.metrics.as_dict()
        losses = {f"val/{key}": torch.tensor(v) for key, v in self.evaluation.losses.items()}
        told = {key: torch.tensor(value, dtype=torch.float32) for key, value in figures.items()}
        self.log_dict({f"val/{key}": value for key, value in told.items()} | losses)
        self.log("mpjpe_all", told["mpjpe_all"], prog_bar=True, logger=False)

    def on_test_epoch_start(self) -> None:
        """As for validation; the weights are not touched."""
        self._collector = Collector(self.keep_parts)

    def test_step(self, batch: Batch, number: int) -> None:
        """Keep the answers for one batch."""
        self._collector.add(batch, self(network_input(batch)))

    def on_test_epoch_end(self) -> None:
        """Figures over the whole data set."""
        self.evaluation = self._collector.finish(loader_of(self.trainer.test_dataloaders).dataset)

    def on_train_epoch_end(self) -> None:
        """What is saved holds the batch norms of all processes."""
        average_norms(self.model)

    def configure_optimizers(self) -> Any:
        """Adam with step decay, as the release."""
        weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        adam = torch.optim.Adam(weights, lr=self.schedule.rate)
        steps = list(self.schedule.milestones)
        decay = torch.optim.lr_scheduler.MultiStepLR(adam, steps, gamma=self.schedule.decay)
        return [adam], [decay]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Name the network, for whoever reads the file."""
        checkpoint["model"] = self.name


def loader_of(loaders: Any) -> Any:
    """The one loader of a trainer's slot."""
    return loaders


def average_norms(model: nn.Module) -> None:
    """Mean of the batch norms' running statistics over all processes."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return
    world = torch.distributed.get_world_size()
    for buffer in model.buffers():
        if buffer.is_floating_point():
            torch.distributed.all_reduce(buffer)
            buffer.div_(world)


def without_parts(model: nn.Module, name: str) -> nn.Module:
    """The paper's baseline: the network hears nothing of parts, and says background everywhere.

    The weights behind the part features and labels are zero and stay so; the network's
    form is unchanged, so its checkpoints are read like any other.

    Args:
        model: a network of `digit_core.network.MODELS`, changed in place.
        name: its name there.
    """
    hidden = ("part_head", "part_features") if name == "digit" else ("parts",)
    for branch in map(model.get_submodule, hidden):
        for weight in branch.parameters():
            weight.requires_grad_(False)
        last = [layer for layer in branch.modules() if isinstance(layer, nn.Conv2d)][-1]
        for weight in last.parameters():
            nn.init.zeros_(weight)
    return model
