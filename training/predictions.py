# SPDX-License-Identifier: Apache-2.0
"""Predictions with what they are held against, in one .npz: figures without the network."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from digit_core.printable import printable
from training.metrics import Predictions, Truth

#: Arrays of the file by name: shape after the items, and what it is. Units: `Predictions`, `Truth`.
ARRAYS = {
    "joints_25d": (42, 3),
    "root_depth": (1,),
    "hand_probability": (2,),
    "to_picture": (2, 3),
    "joints_camera": (42, 3),
    "joint_valid": (42,),
    "hands": (2,),
    "hands_valid": (),
    "focal": (2,),
    "center": (2,),
    "wrist_depth": (2,),
}
#: These may be missing, all or none: part labels 0 to 32, predicted and true, and which count.
PART_ARRAYS = {"parts": (128, 128), "parts_true": (128, 128), "parts_valid": ()}
FLAGS = ("joint_valid", "hands", "hands_valid", "parts_valid")


class PredictionsError(ValueError):
    """A predictions file that cannot be used; the message names it and what was expected."""

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(sentence))


@dataclass(frozen=True)
class Protocol:
    """What figures mean nothing without.

    Attributes:
        dataset: name and version, such as "InterHand2.6M v1.0, 5 fps".
        split: "val" or "test".
        subset: "all", or which part of the split, such as "minival".
        depth_source: of the wrists' depths and the boxes: "rootnet", "gt" or "hand_size".
        weights: of the network.
    """

    dataset: str
    split: str
    subset: str
    depth_source: str
    weights: str

    def lines(self) -> list[str]:
        """Readable lines, with what never changes: root joint and alignment."""
        given = [f"{key.replace('_', ' ')}: {value}" for key, value in asdict(self).items()]
        return [*given, "root joint: wrist, each hand its own", "scale alignment: none"]


class Parts(NamedTuple):
    """Part labels (N, 128, 128), predicted and true, and (N,) bool which items count."""

    parts: Tensor
    truth: Tensor
    valid: Tensor


#: All else in a file is left unread.
KNOWN = {*ARRAYS, *PART_ARRAYS, *Protocol.__dataclass_fields__}


class PredictionsFile(NamedTuple):
    """All that a file holds; `parts` is None where it has none."""

    predictions: Predictions
    truth: Truth
    protocol: Protocol
    parts: Parts | None


def save_predictions(path: str | os.PathLike, content: PredictionsFile) -> None:
    """Write the file; it appears only when it is complete."""
    arrays = content.predictions._asdict() | content.truth._asdict()
    if content.parts is not None:
        arrays |= dict(zip(PART_ARRAYS, content.parts, strict=True))
    strings = {key: np.array(value) for key, value in asdict(content.protocol).items()}
    path = Path(path)
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("wb") as file:
        numbers: dict[str, Any] = {key: value.cpu().numpy() for key, value in arrays.items()}
        np.savez_compressed(file, **numbers | strings)
    os.replace(unfinished, path)


def load_predictions(path: str | os.PathLike) -> PredictionsFile:
    """Read and check a file.

    Raises:
        PredictionsError: the file is missing, damaged, or an array is missing, of a wrong shape or
            not finite.
    """
    found = _read(Path(path))
    protocol = _protocol(path, found)
    with_parts = [key for key in PART_ARRAYS if key in found]
    wanted = ARRAYS | (PART_ARRAYS if with_parts else {})
    tensors = {key: _tensor(path, found, key, shape) for key, shape in wanted.items()}
    counts = {key: len(value) for key, value in tensors.items()}
    if len(set(counts.values())) != 1 or not counts["joints_25d"]:
        raise PredictionsError(f"{path}: expected one row per item in every array, found {counts}")
    return PredictionsFile(
        Predictions(*(tensors[key] for key in Predictions._fields)),
        Truth(*(tensors[key] for key in Truth._fields)),
        protocol,
        Parts(*(tensors[key] for key in PART_ARRAYS)) if with_parts else None,
    )


def _read(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise PredictionsError(f"{path}: no such file; expected a predictions file (.npz)")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files if key in KNOWN}
    except Exception as error:  # zipfile, zlib and numpy raise many kinds over damaged files
        raise PredictionsError(f"{path}: damaged or no .npz of plain arrays") from error


def _protocol(path: str | os.PathLike, found: dict[str, np.ndarray]) -> Protocol:
    names = Protocol.__dataclass_fields__
    missing = [key for key in names if key not in found]
    if missing:
        raise PredictionsError(f"{path}: the protocol's {', '.join(missing)} missing")
    return Protocol(**{key: str(found[key]) for key in names})


def _tensor(
    path: str | os.PathLike, found: dict[str, np.ndarray], key: str, shape: tuple[int, ...]
) -> Tensor:
    wanted = "x".join(("N", *map(str, shape)))
    if key not in found:
        raise PredictionsError(f"{path}: array {key!r} ({wanted}) missing")
    array = found[key]
    if array.shape[1:] != shape or array.ndim != len(shape) + 1 or array.dtype.kind not in "biuf":
        raise PredictionsError(
            f"{path}: array {key!r} is {array.dtype} {array.shape}; expected numbers, {wanted}"
        )
    rows = np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if not rows.all():
        raise PredictionsError(f"{path}: array {key!r} is not finite in row {rows.argmin()}")
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.bool() if key in FLAGS else tensor
