# SPDX-License-Identifier: Apache-2.0
"""The two passes over a recording: estimate what is not yet in the journal, then write the bag."""

import argparse
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rosbags.rosbag2 import Reader
from tqdm import tqdm

from digit_core.estimator import DigitEstimator
from digit_ros.bag.camera import RecordedCamera
from digit_ros.bag.errors import BagError
from digit_ros.bag.input import CameraTopics, find_cameras, messages, opened, storage
from digit_ros.bag.journal import Journal
from digit_ros.bag.output import write_bag
from digit_ros.image_result import ON_DEMAND
from digit_ros.images import BadImage
from digit_ros.loading import load_estimator
from digit_ros.parameters import Parameters

_JOURNAL = "journal"


def run(given: argparse.Namespace, parameters: Parameters) -> str:
    """Write the bag `given.output`; the sentence that says what was done.

    Raises:
        BagError: it cannot be done, or cannot be finished now.
    """
    _check(given)
    with opened(given.input) as reader:
        cameras = find_cameras(reader, given.image, given.camera_info)
        namespaces = _namespaces(given, cameras)
        _check_free(reader, cameras, namespaces, given.topics)
        estimator = _load(parameters)
        answers = {
            camera.image: RecordedCamera(camera, estimator, parameters, namespace, given.topics)
            for camera, namespace in zip(cameras, namespaces, strict=True)
        }
        part = _part(given.output)
        journal = Journal(part / _JOURNAL, _key(given, parameters, cameras, estimator))
        try:
            return _finish(given, reader, answers, journal, part)
        finally:
            journal.close()


def _finish(
    given: argparse.Namespace,
    reader: Reader,
    answers: dict[str, RecordedCamera],
    journal: Journal,
    part: Path,
) -> str:
    begun_s = time.monotonic()
    estimated = _estimate(reader, answers, journal)
    took_s = time.monotonic() - begun_s
    whole = part / given.output.name
    shutil.rmtree(whole, ignore_errors=True)  # of a run that ended while it wrote
    try:
        with _bar(reader.message_count, "writing", "messages") as bar:
            write_bag(reader, journal, whole, given.storage or storage(given.input), bar.update)
    except BagError:
        shutil.rmtree(whole, ignore_errors=True)  # half a bag only takes room
        raise
    os.replace(whole, given.output)
    shutil.rmtree(part)
    said = f"{given.output}: {sum(map(len, journal.done.values()))} images answered"
    if estimated:
        said += f", {estimated} of them now in {took_s:.1f} s ({estimated / took_s:.1f} a second)"
    if journal.faults:
        said += f"; {len(journal.faults)} could not be used, the first: {journal.faults[0]}"
    return said


def _estimate(reader: Reader, answers: dict[str, RecordedCamera], journal: Journal) -> int:
    """Answer the images that are not in the journal yet; how many those were."""
    for camera, record in journal.last.items():
        try:
            answers[camera].resume(record)
        except (KeyError, ValueError) as error:
            raise journal.foreign(error) from error
    left = {camera: len(journal.done.get(camera, ())) for camera in answers}
    infos = {a.topics.camera_info: a for a in answers.values() if a.topics.camera_info}
    _take_first_infos(reader, infos)
    counts = {c.topic: c.msgcount for c in reader.connections if c.topic in answers}
    estimated = 0
    with _bar(sum(counts.values()), "estimating", "images") as bar:
        for connection, recorded_ns, data in messages(reader, [*answers, *infos]):
            if connection.topic in infos:
                try:
                    infos[connection.topic].take_camera_info(data)
                except BadImage as error:
                    journal.faults.append(f"{connection.topic}: {error}")
                continue
            if left[connection.topic]:
                left[connection.topic] -= 1
            else:
                record = answers[connection.topic].answer(data, 1e-9 * recorded_ns)
                journal.append(record)
                estimated += 1
            bar.update()
    return estimated


def _take_first_infos(reader: Reader, infos: dict[str, RecordedCamera]) -> None:
    """An image that comes before the first CameraInfo is of the same camera all the same."""
    for topic, camera in infos.items():
        for _, _, data in messages(reader, [topic]):
            with suppress(BadImage):
                camera.take_camera_info(data)
                break


def _bar(total: int, what: str, unit: str) -> tqdm:
    return tqdm(total=total, desc=what, unit=f" {unit}", smoothing=0.1, mininterval=0.5)


def _check(given: argparse.Namespace) -> None:
    if given.output.exists():
        raise BagError(f"{given.output}: exists already; name a bag that does not")
    if not given.output.absolute().parent.is_dir():
        raise BagError(f"{given.output.absolute().parent}: no such folder")
    for topic in given.topics:
        if topic not in ON_DEMAND:
            known = ", ".join(ON_DEMAND)
            raise BagError(f"--topics: {topic} is not known; expected some of {known}")


def _namespaces(given: argparse.Namespace, cameras: list[CameraTopics]) -> list[str]:
    """What stands before the topics of each camera, "" or "/name"."""
    own = ["/" + given.namespace.strip("/")] if given.namespace else [""]
    base = "" if own == ["/"] else own[0]
    if len(cameras) == 1:
        return [base]
    parents = [camera.image.removesuffix("/compressed").rsplit("/", 1)[0] for camera in cameras]
    if len(set(parents)) < len(parents):
        names = ", ".join(camera.image for camera in cameras)
        raise BagError(f"--image: {names} lie in one namespace; work on them one by one")
    return [base + parent for parent in parents]


def _check_free(
    reader: Reader, cameras: list[CameraTopics], namespaces: list[str], wanted: list[str]
) -> None:
    """Our topics are not in the recording already."""
    there = {c.topic for c in reader.connections}
    for name in (f"{space}/{t}" for space in namespaces for t in ("skeleton", *wanted)):
        if name in there:
            raise BagError(
                f"{reader.path}: has {name} already; --namespace puts another name before ours"
            )


def _load(parameters: Parameters) -> DigitEstimator:
    try:
        return load_estimator(parameters)
    except ValueError as error:
        raise BagError(str(error)) from error


def _part(output: Path) -> Path:
    part = output.with_name(output.name + ".part")
    try:
        part.mkdir(exist_ok=True)
    except OSError as error:
        raise BagError(f"{part}: cannot be made: {error.strerror}") from error
    return part


def _key(
    given: argparse.Namespace,
    parameters: Parameters,
    cameras: list[CameraTopics],
    estimator: DigitEstimator,
) -> dict[str, Any]:
    """What must be the same for a run to go on where another ended."""
    return {
        "input": list(_files(given.input)),
        "cameras": [asdict(camera) for camera in cameras],
        "parameters": asdict(parameters),
        "weights": [estimator.networks.name, estimator.networks.weights],
        "device": str(estimator.networks.device),
        "topics": given.topics,
        "namespace": given.namespace,
    }


def _files(path: Path) -> Iterator[tuple[str, int, int]]:
    files = [path] if path.is_file() else sorted(p for p in path.iterdir() if p.is_file())
    for file in files:
        status = file.stat()
        yield file.name, status.st_size, status.st_mtime_ns
