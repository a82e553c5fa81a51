# SPDX-License-Identifier: Apache-2.0
"""ImageNet weights for the trunk, from the file of HRNet's authors."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from digit_core.network.checkpoint import PLAIN_TYPES
from training.interhand.errors import DataError

#: Where the release's set-up puts the file, by the name of its text and of its code.
PLACES = tuple(
    Path("saved_models/pytorch/imagenet") / f"hrnet_w32-36af842e.{ending}"
    for ending in ("pth", "pt")
)
STARTS = ("conv1.", "bn1.", "conv2.", "bn2.", "layer1.", "transition", "stage")


def find_backbone() -> Path | None:
    """The file, where it lies in one of the places that the release names."""
    return next((path for path in PLACES if path.exists()), None)


def load_backbone(trunk: nn.Module, path: Path) -> int:
    """Copy the weights of `path` that the trunk has; the classification head is left out.

    Returns:
        How many tensors were copied.

    Raises:
        DataError: the file is missing, damaged, or not HRNet-W32's.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; expected HRNet-W32's ImageNet weights") from error
    except Exception as error:  # torch raises many kinds over damaged files
        raise DataError(f"{path}: damaged or no weights file; download it again") from error
    if not isinstance(found, dict):
        raise DataError(f"{path}: not HRNet-W32's ImageNet weights: no mapping to tensors")
    wanted = trunk.state_dict()
    taken: dict[str, Tensor] = {
        key: value
        for key, value in found.items()
        if key in wanted and key.startswith(STARTS) and _fits(value, wanted[key])
    }
    missing = [key for key in wanted if key not in taken and "num_batches" not in key]
    if missing:
        raise DataError(
            f"{path}: not HRNet-W32's ImageNet weights: {len(missing)} of the trunk's tensors are "
            f"not in it, the first is {missing[0]}"
        )
    trunk.load_state_dict(wanted | taken)
    return len(taken)


def _fits(value: Any, wanted: Tensor) -> bool:
    """A dense tensor of the same shape and kind of number, all of them finite."""
    if not isinstance(value, Tensor) or value.shape != wanted.shape:
        return False
    plain = value.layout is torch.strided and value.device.type == "cpu"
    same = value.is_floating_point() == wanted.is_floating_point()
    return plain and same and value.dtype in PLAIN_TYPES and bool(value.isfinite().all())
