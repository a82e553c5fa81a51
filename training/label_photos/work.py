# SPDX-License-Identifier: Apache-2.0
"""Labelling in several processes, results in the order of the pictures."""

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from training.interhand.errors import DataError
from training.label_photos.labelling import Labeller, Teacher
from training.label_photos.mediapipe_process import MediaPipeTeacher
from training.label_photos.sources import Shot
from training.label_photos.vote import Result
from training.label_photos.weights_teacher import WeightsTeacher

TEACHERS = ("mediapipe", "weights", "both")


@dataclass(frozen=True)
class Teaching:
    """Who labels.

    Attributes:
        teacher: of `TEACHERS`.
        environment: MediaPipe's virtual environment, where it is a teacher.
        weights: a file; the bundled one without.
        device: of the weights; the best there is without.
    """

    teacher: str
    environment: Path | None = None
    weights: Path | None = None
    device: str | None = None

    def labeller(self) -> Labeller:
        """Load the teachers.

        Raises:
            ValueError: one of them cannot be used; the sentence says why.
        """
        # Our weights doubt in any case whether a picture without hands is one.
        ours = WeightsTeacher(self.weights, self.device)
        teachers: list[Teacher] = []
        if self.teacher != "mediapipe":
            teachers.append(ours)
        if self.teacher != "weights" and self.environment is not None:
            teachers.append(MediaPipeTeacher(self.environment))
        return Labeller(teachers, ours)


_labeller: Labeller | None = None


def labelled(
    shots: Iterable[Shot], teaching: Teaching, processes: int
) -> Iterator[tuple[Shot, Result]]:
    """Shots with their labels, in their order.

    Raises:
        ValueError: a teacher cannot be used; the sentence says why.
    """
    if processes == 1:
        labeller = teaching.labeller()
        try:
            for shot in shots:
                yield shot, labeller.label(shot.image)
        finally:
            labeller.close()
        return
    try:
        yield from _in_processes(shots, teaching, processes)
    except BrokenProcessPool as error:
        raise DataError(
            "a labelling process was ended, perhaps for memory; try fewer --jobs"
        ) from error


def _in_processes(
    shots: Iterable[Shot], teaching: Teaching, processes: int
) -> Iterator[tuple[Shot, Result]]:
    context = multiprocessing.get_context("spawn")
    waiting: deque[tuple[Shot, Future[Result]]] = deque()
    with ProcessPoolExecutor(processes, context, _set_up, (processes,)) as pool:
        try:
            for shot in shots:
                waiting.append((shot, pool.submit(_label, teaching, shot.image)))
                if len(waiting) >= 2 * processes:
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def _set_up(processes: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the caller's to handle
    torch.set_num_threads(max(1, torch.get_num_threads() // processes))


def _label(teaching: Teaching, image: np.ndarray) -> Result:
    """Label in a process of the pool; its teachers are loaded once, and errors reach the caller."""
    global _labeller
    if _labeller is None:
        _labeller = teaching.labeller()
    return _labeller.label(image)
