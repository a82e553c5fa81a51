# SPDX-License-Identifier: Apache-2.0
"""Part labels of the crops, put into the full image."""

from collections.abc import Iterable

import numpy as np
import torch

from digit_core.network.lite import enlarged
from digit_core.pair import Sighting
from digit_core.parts import LEFT_OFFSET, NUM_PARTS
from digit_core.skeleton import SIDES

#: Side of a crop's label map.
LABELS = 128


def paint(shape: tuple[int, int], sightings: Iterable[Sighting]) -> np.ndarray:
    """Label map of the image from the crops in which hands were seen.

    The labels of each crop are those of greatest logit; only those of hands that are present
    count, and a hand whose side was decided otherwise than by the network gets its side's.

    Args:
        shape: height and width of the image.
        sightings: the hands.

    Returns:
        (H, W) uint8 labels of `digit_core.parts`.
    """
    canvas = np.zeros(shape, np.uint8)
    by_crop: dict[int, list[Sighting]] = {}
    for sighting in sorted(sightings, key=lambda s: s.confidence):
        by_crop.setdefault(id(sighting.reading), []).append(sighting)
    for seen in by_crop.values():
        reading = seen[0].reading
        with torch.inference_mode():
            logits = enlarged(reading.part_logits[None].float(), LABELS, LABELS)[0]
            labels = logits.argmax(dim=0).to(torch.uint8).cpu().numpy()
        reading.crop.paste_labels(canvas, _relabel(seen)[labels])
    return canvas


def _relabel(seen: Iterable[Sighting]) -> np.ndarray:
    """Table (33,) from the network's labels to those of the hands seen; others become 0."""
    table = np.zeros(NUM_PARTS, np.uint8)
    parts = np.arange(1, LEFT_OFFSET + 1)
    for sighting in seen:
        table[parts + LEFT_OFFSET * sighting.channel] = parts + LEFT_OFFSET * SIDES.index(
            sighting.side
        )
    return table
