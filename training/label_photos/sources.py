# SPDX-License-Identifier: Apache-2.0
"""Pictures and frames of videos that a user names, each with a name that lasts."""

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from digit_core.media import Media, MediaError
from training.interhand.errors import DataError

#: Files of a folder that are looked at; a file that is named itself may end in anything.
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"}
SUFFIXES |= {".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg"}
#: Larger pictures are shrunk before the vote.
LONGEST_PX = 960
_HASHED_BYTES = 1 << 22
_OWN = "own"


@dataclass(frozen=True)
class Shot:
    """One picture to label.

    Attributes:
        name: of its file in the result, without an ending; from the content, so that it stays the
            same wherever the source lies.
        source: "own/GROUP/FILE", with "#FRAME" for a video.
        image: (H, W, 3) uint8 RGB, at most `LONGEST_PX` on the longer side.
    """

    name: str
    source: str
    image: np.ndarray


def files_of(inputs: Sequence[Path]) -> list[tuple[str, Path]]:
    """Files with the group that each is of: its folder, or of a file named itself, the file.

    Raises:
        DataError: an input is not there, or none holds a picture or a video.
    """
    found = []
    for path in inputs:
        if path.is_dir():
            some = (p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
            root = path.resolve()
            found += [("_".join((root.name, *p.relative_to(path).parts[:-1])), p) for p in some]
        elif path.is_file():
            found.append((path.resolve().parent.name, path))
        else:
            raise DataError(f"{path}: no such file or folder")
    if not found:
        raise DataError(f"{', '.join(map(str, inputs))}: holds no picture and no video")
    return sorted(found, key=lambda item: (item[0], str(item[1])))


def refuse_overlap(inputs: Sequence[Path], output: Path) -> None:
    """Refuse an output among the inputs, or inputs inside of the output.

    Raises:
        DataError: they overlap.
    """
    out = output.resolve()
    for path in inputs:
        read = path.resolve()
        if out == read or out in read.parents or read in out.parents:
            raise DataError(f"{output}: the output overlaps the input {path}; name another folder")


def shots(
    files: Sequence[tuple[str, Path]],
    every: int,
    done: Collection[str],
    complain: Callable[[str], None],
) -> Iterator[Shot]:
    """Pictures, and every `every`-th frame of videos, that are not done yet.

    Args:
        files: as `files_of` gives them.
        every: 1 for all frames.
        done: names of pictures that are done.
        complain: takes a sentence about each file that cannot be read; the others go on.
    """
    taken = set(done)
    for group, path in files:
        try:
            for shot in _of_file(group, path, every, taken):
                taken.add(shot.name)
                yield shot
        except (MediaError, OSError) as error:
            complain(str(error))


def _of_file(group: str, path: Path, every: int, taken: Collection[str]) -> Iterator[Shot]:
    media = Media.open(path)
    # A video is a group of its own: its frames are alike.
    group = _plain(f"{group}_{path.stem}" if media.is_video else group)
    name = f"{group[:60]}_{_digest(path)}"
    if not media.is_video:
        if name not in taken:
            (image,) = media.frames()
            yield Shot(name, f"{_OWN}/{group}/{path.name}", shrunk(image, LONGEST_PX))
        return
    for number, image in enumerate(media.frames()):
        frame = f"{name}_{number:06d}"
        if number % every == 0 and frame not in taken:
            source = f"{_OWN}/{group}/{path.name}#{number}"
            yield Shot(frame, source, shrunk(image, LONGEST_PX))


def shrunk(image: np.ndarray, longest: int) -> np.ndarray:
    """The image (H, W, 3) with at most so many pixels on its longer side."""
    height, width = image.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return image
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        content = file.read(_HASHED_BYTES)
    return hashlib.sha1(content + str(path.stat().st_size).encode()).hexdigest()[:10]


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip("_") or "pictures"
