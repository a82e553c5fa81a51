# SPDX-License-Identifier: Apache-2.0
"""The recording that is read: its topics, its cameras, its messages in the order of time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader

from digit_ros.bag.errors import BagError

RAW, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
_TRANSPORTS = ("/compressed",)


@dataclass(frozen=True)
class CameraTopics:
    """One camera of a recording.

    Attributes:
        image: its image topic.
        compressed: whether its images are CompressedImage.
        camera_info: its CameraInfo topic, empty when it has none.
    """

    image: str
    compressed: bool
    camera_info: str


@contextmanager
def opened(path: Path) -> Iterator[Reader]:
    """The bag, open for reading.

    Raises:
        BagError: there is none, or it is damaged.
    """
    if not path.exists():
        raise BagError(f"{path}: no such bag")
    if path.suffix == ".bag":
        raise BagError(f"{path}: a ROS 1 bag; expected a rosbag2 (rosbags-convert makes one of it)")
    try:
        reader = Reader(path)
        reader.open()
    except Exception as error:  # Damaged files make rosbags fail in many ways.
        raise BagError(f"{path}: not a rosbag2 that can be read: {_first_line(error)}") from error
    try:
        if not _is_sound(reader):
            raise BagError(f"{path}: not a rosbag2 that can be read: its metadata is damaged")
        yield reader
    finally:
        with suppress(Exception):  # rosbags stumbles over metadata that it had no need of before
            reader.close()


def _is_sound(reader: Reader) -> bool:
    """Whether names are text and counts are whole numbers, which rosbags takes as they come."""
    names = [name for c in reader.connections for name in (c.topic, c.msgtype)]
    counts = [reader.message_count, *(c.msgcount for c in reader.connections)]
    return all(isinstance(name, str) for name in names) and all(
        isinstance(count, int) and 0 <= count < 1 << 62 for count in counts
    )


def messages(reader: Reader, topics: Sequence[str] = ()) -> Iterator[tuple[Connection, int, bytes]]:
    """(connection, nanoseconds, CDR) of every message, or of some topics', in order of time.

    Raises:
        BagError: the bag turns out to be damaged.
    """
    wanted = [c for c in reader.connections if not topics or c.topic in topics]
    try:
        yield from reader.messages(connections=wanted)
    except Exception as error:  # As above.
        raise BagError(f"{reader.path}: damaged: {_first_line(error)}") from error


def storage(path: Path) -> str:
    """The kind of storage a bag has, "mcap" or "sqlite3"."""
    files = [path] if path.is_file() else sorted(path.iterdir())
    return "sqlite3" if any(".db3" in file.suffixes for file in files) else "mcap"


def find_cameras(
    reader: Reader, images: Sequence[str] | None, infos: Sequence[str] | None
) -> list[CameraTopics]:
    """The cameras that were asked for, or the only one there is.

    Raises:
        BagError: a topic is not there or of another type, or it is not clear which is meant.
    """
    types = {c.topic: c.msgtype for c in reader.connections}
    names = list(images or [_only_image(reader, types)])
    if infos is not None and len(infos) != len(names):
        raise BagError(f"--camera-info: given {len(infos)} times for {len(names)} image topics")
    for topic in names:
        _check(reader, types, topic, (RAW, COMPRESSED))
    for topic in infos or ():
        _check(reader, types, topic, (CAMERA_INFO,))
    found = infos or [_camera_info(types, topic) for topic in names]
    return [
        CameraTopics(image, types[image] == COMPRESSED, info)
        for image, info in zip(names, found, strict=True)
    ]


def _only_image(reader: Reader, types: dict[str, str]) -> str:
    for kind in (RAW, COMPRESSED):
        # A depth image is an Image too; it is never the one that is meant.
        topics = sorted(t for t, k in types.items() if k == kind and "depth" not in t.lower())
        if len(topics) == 1:
            return topics[0]
        if topics:
            names = ", ".join(topics)
            raise BagError(f"{reader.path}: has several image topics, name one by --image: {names}")
    names = ", ".join(f"{t} ({k})" for t, k in sorted(types.items())) or "nothing"
    raise BagError(f"{reader.path}: has no topic of type {RAW} or {COMPRESSED}; it has {names}")


def _check(reader: Reader, types: dict[str, str], topic: str, kinds: tuple[str, ...]) -> None:
    if topic not in types:
        names = ", ".join(sorted(types)) or "none"
        raise BagError(f"{reader.path}: has no topic {topic}; its topics are {names}")
    if types[topic] not in kinds:
        expected = " or ".join(kinds)
        raise BagError(f"{reader.path}: {topic} is {types[topic]}; expected {expected}")


def _camera_info(types: dict[str, str], image: str) -> str:
    """Beside the image topic, as image_transport has it; else the only one there is."""
    for transport in _TRANSPORTS:
        image = image.removesuffix(transport)
    beside = image.rsplit("/", 1)[0] + "/camera_info"
    if types.get(beside) == CAMERA_INFO:
        return beside
    infos = [topic for topic, kind in types.items() if kind == CAMERA_INFO]
    return infos[0] if len(infos) == 1 else ""


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__
