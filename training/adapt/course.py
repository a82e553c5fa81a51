# SPDX-License-Identifier: Apache-2.0
"""Training the networks on, from finished weights to finished weights."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from digit_core.network.checkpoint import CheckpointError
from digit_core.weights import DETECTOR, POSE, read_bundle
from training.default_weights.photo_batches import PhotoBatches
from training.default_weights.photos import Photo
from training.default_weights.stream import Stage, Stream
from training.default_weights.train import Run, train

#: Parts in turn, and each one's share of the time.
COURSES = {"both": {"pose": 0.7, "detector": 0.3}, "pose": {"pose": 1.0}}
_PREFIX = {"pose": POSE, "detector": DETECTOR}
#: Finished weights know right from left already.
_STAGES = (Stage(10**15),)


@dataclass(frozen=True)
class Course:
    """How to train on.

    Attributes:
        parts: of `COURSES`.
        minutes: of training in all; the learning rate ends with them.
        device: trains there.
        batch: pictures in a step, half photos and half renders.
        rate: highest learning rate, of batches of 64.
        seed: of all batches.
        pool: pairs of hands made at a time.
        chunk, uses: renders made at a time, and how often they are shown.
    """

    parts: str
    minutes: float
    device: str
    batch: int
    rate: float
    seed: int
    pool: int
    chunk: int
    uses: int


def trained_on(start: Path, photos: Sequence[Photo], course: Course) -> dict[str, Tensor]:
    """Tensors of a weights file, of the trained parts their averages, as 16 bits.

    Raises:
        ValueError: the file is not in the form of the bundled weights, or the photos show nothing
            to learn; the sentence says which.
    """
    tensors = dict(bundle(start)[1])
    batches = PhotoBatches(photos)
    for part, share in COURSES[course.parts].items():
        print(f"{part}: {share * course.minutes:g} minutes", flush=True)
        # Stopped runs begin anew: the states of half an hour are not worth keeping.
        with tempfile.TemporaryDirectory() as folder:
            run = Run(part, Path(folder) / part, course.device, start, course.rate)
            stream = Stream(
                part,
                course.device,
                course.seed,
                course.pool,
                stages=_STAGES,
                photos=batches,
                chunk=course.chunk,
                uses=course.uses,
            )
            train(run, stream, None, course.batch, 1, share * course.minutes)
        for name, value in run.average.net.state_dict().items():
            key = _PREFIX[part] + name
            tensors[key] = value.cpu().to(tensors[key].dtype).contiguous()
        print(f"{part}: {run.samples} pictures seen", flush=True)
    return tensors


def bundle(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a file in the form of the bundled weights.

    Raises:
        CheckpointError: it is none, or damaged.
    """
    metadata, state = read_bundle(path)
    if state is None or not any(key.startswith(DETECTOR) for key in state):
        raise CheckpointError(f"{path}: not in the form of the bundled weights, with a detector")
    return metadata, state


def set_up(device: str) -> None:
    """What makes training fast on any device."""
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"device {device!r} is not available; expected cpu")
