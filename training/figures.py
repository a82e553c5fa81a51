# SPDX-License-Identifier: Apache-2.0
"""The figures of an evaluation for reading and as JSON, with their protocol."""

import json
import os
from dataclasses import asdict
from pathlib import Path

from training.metrics import Metrics, evaluate, part_iou
from training.predictions import PredictionsFile, Protocol


def figures_of(content: PredictionsFile) -> tuple[Metrics, float | None]:
    """Metrics, and the mean part IoU over the items whose labels count (None without labels)."""
    metrics = evaluate(content.predictions, content.truth)
    if content.parts is None:
        return metrics, None
    parts, truth, valid = content.parts
    return metrics, float(part_iou(parts[valid], truth[valid], tolerance=1).nanmean())


def report(protocol: Protocol, metrics: Metrics, iou: float | None) -> str:
    """The figures with their protocol, for reading."""
    figures = metrics.as_dict()
    counts = f"{metrics.items} items, {metrics.items_interacting} with two hands"
    lines = [
        *protocol.lines(),
        f"items: {counts}; MRRPE over {metrics.items_mrrpe}",
        "",
        f"MPJPE  single {figures['mpjpe_sh']:.2f}  interacting {figures['mpjpe_ih']:.2f}"
        f"  all {figures['mpjpe_all']:.2f} mm",
        f"MRRPE  {metrics.mrrpe:.2f} mm",
        f"handedness accuracy  {100 * metrics.handedness_accuracy:.2f} %",
        f"left-right bone difference  {float(metrics.bone_difference.mean()):.2f} mm",
    ]
    return "\n".join(lines if iou is None else [*lines, f"part IoU  {100 * iou:.2f} %"])


def write_json(path: str, protocol: Protocol, metrics: Metrics, iou: float | None) -> None:
    """All figures, per joint too, with the protocol; a figure that nothing counts for is null."""
    figures: dict[str, float | None] = dict(metrics.as_dict())
    bones = {f"bone_{i}": value for i, value in enumerate(metrics.bone_difference.tolist())}
    figures |= bones | ({} if iou is None else {"part_iou": iou})
    content = {
        "protocol": asdict(protocol) | {"root_joint": "wrist", "scale_alignment": "none"},
        "items": metrics.items,
        "items_interacting": metrics.items_interacting,
        "items_mrrpe": metrics.items_mrrpe,
        "figures": {k: None if v != v else v for k, v in figures.items()},
    }
    unfinished = Path(path + ".part")
    unfinished.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(unfinished, path)
