# SPDX-License-Identifier: Apache-2.0
"""What a network says about a data set, collected over batches and processes."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from digit_core import Camera
from digit_core.depth import root_depth
from digit_core.hand_size import HandScale
from digit_core.network.output import DigitOutput
from digit_core.skeleton import SIDES, public_from_network
from training.interhand import heatmap_space, joints
from training.interhand.dataset import Batch, InterHand
from training.losses import LossTerms, loss_terms
from training.metrics import Metrics, Predictions, Truth, evaluate, part_iou
from training.predictions import Parts

PART_COLUMNS = ("parts", "parts_true", "parts_valid")
FALLBACK_DEPTH_MM = 1000.0  # of a hand whose size in the picture says nothing


@dataclass(frozen=True)
class Evaluation:
    """Everything about one pass over a data set.

    Attributes:
        predictions, truth: rows in the data set's order.
        parts: labels, where they were kept.
        metrics: the figures.
        part_iou: mean over the items whose labels count; NaN without any.
        losses: mean over items by term, and their `total`.
    """

    predictions: Predictions
    truth: Truth
    parts: Parts | None
    metrics: Metrics
    part_iou: float
    losses: dict[str, float]


@dataclass
class Collector:
    """Takes in batches of one process; `finish` joins those of all processes."""

    keep_parts: bool = False
    chunks: list[dict[str, np.ndarray]] = field(default_factory=list)

    def add(self, batch: Batch, output: DigitOutput) -> None:
        """Keep what the figures need of one batch."""
        output = DigitOutput(*(value.float() for value in output))
        labels = output.part_logits.argmax(dim=1)
        count = len(batch.rows)
        terms = torch.stack(loss_terms(output, batch.targets)).expand(count, -1)
        columns: dict[str, Tensor] = {
            "rows": batch.rows,
            "joints_25d": output.joints_25d,
            "root_depth": output.root_depth,
            "hand_probability": output.hand_logits.sigmoid(),
            "to_picture": batch.to_picture,
            "terms": terms,
            "iou": part_iou(labels, batch.targets.parts, tolerance=1),
            "parts_valid": batch.targets.parts_valid.bool(),
        }
        if self.keep_parts:
            columns |= {"parts": labels.byte(), "parts_true": batch.targets.parts.byte()}
        self.chunks.append({name: value.cpu().numpy() for name, value in columns.items()})

    def finish(self, data: InterHand) -> Evaluation:
        """Figures over all processes' batches, the same in each of them."""
        columns = self._joined(len(data))
        predictions = Predictions(*(columns[name] for name in Predictions._fields))
        truth = data.truth()
        if data.depth_source == "hand_size":
            truth = truth._replace(wrist_depth=depths_by_hand_size(predictions, truth))
        parts = None
        if self.keep_parts:
            parts = Parts(*(columns[name] for name in PART_COLUMNS))
        terms = dict(zip(LossTerms._fields, columns["terms"].mean(dim=0).tolist(), strict=True))
        return Evaluation(
            predictions,
            truth,
            parts,
            evaluate(predictions, truth),
            float(columns["iou"][columns["parts_valid"]].nanmean()),
            {**terms, "total": sum(terms.values())},
        )

    def _joined(self, count: int) -> dict[str, Tensor]:
        chunks = self.chunks
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            shares: list[Any] = [None] * torch.distributed.get_world_size()
            torch.distributed.all_gather_object(shares, chunks)
            chunks = [chunk for share in shares for chunk in share]
        names = chunks[0].keys()
        columns = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in names}
        order = np.argsort(columns["rows"], kind="stable")
        if not np.array_equal(columns["rows"][order], np.arange(count)):
            raise RuntimeError(f"{len(order)} answers for {count} items: each must come once")
        return {name: torch.from_numpy(values[order]) for name, values in columns.items()}


def depths_by_hand_size(predictions: Predictions, truth: Truth) -> Tensor:
    """(N, 2) wrist depths, right and left, mm, from the size of an adult's hand."""
    picture = heatmap_space.to_picture(
        predictions.joints_25d.double(), predictions.to_picture.double()
    ).numpy()
    depths = np.full((len(picture), len(joints.HANDS)), np.nan)
    scale = HandScale()
    for i, (seen, focal, center) in enumerate(
        zip(picture, truth.focal.tolist(), truth.center.tolist(), strict=True)
    ):
        camera = Camera(*focal, *center)
        for channel, side in enumerate(SIDES):
            hand = public_from_network(seen, side)
            told = root_depth(camera, hand[:, :2], hand[:, 2] / 1000, scale, np.ones(len(hand)))
            depths[i, channel] = np.nan if told is None else 1000 * told.depth_m
    unknown = ~np.isfinite(depths)
    depths[unknown] = FALLBACK_DEPTH_MM
    return torch.from_numpy(depths)
