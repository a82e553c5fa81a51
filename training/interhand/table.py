# SPDX-License-Identifier: Apache-2.0
"""A split's annotations as arrays on disk, opened in milliseconds and shared by all workers.

One folder a split, one .npy an array, mapped into memory: processes that read the same rows share
the same pages. It is made anew when a file that it comes from has changed.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from training.interhand import joints
from training.interhand.errors import DataError
from training.interhand.raw import CAMERA, Complain, Item, Split, SplitFiles, raise_it, read_split

FORMAT = 1
CHUNK = 1 << 14  # items that are held as Python objects at a time
STAMP = "source.json"


@dataclass(frozen=True)
class Table:
    """N items of a split in the file's order; K cameras, M frames of joints.

    Attributes:
        ids: (N,) annotation ids.
        file_names: (N,) bytes, `CaptureN/SEQ/camC/imageF.jpg`.
        sizes: (N, 2) width, height, px.
        boxes: (N, 4) float32 x, y, width, height, px.
        joint_valid: (N, 42) uint8, as annotated.
        hands: (N, 2) uint8 right, left.
        hands_valid: (N,) uint8.
        fitted: (N, 2) int8 right, left: 1 a MANO fit is there, 0 not, -1 unknown.
        captures, camera_names, frames: (N,) integers of the item's place.
        camera: (N,) row of the camera tables.
        frame: (N,) row of `world`.
        focal, center, position: (K, 2), (K, 2), (K, 3) px, px, mm.
        rotation: (K, 3, 3) world to camera.
        world: (M, 42, 3) float32 mm.
        rootnet_boxes: (N, 4) float32 px; NaN where RootNet says nothing.
        rootnet_depth: (N, 2) float64 right, left wrist, mm; NaN where RootNet says nothing.
    """

    ids: np.ndarray
    file_names: np.ndarray
    sizes: np.ndarray
    boxes: np.ndarray
    joint_valid: np.ndarray
    hands: np.ndarray
    hands_valid: np.ndarray
    fitted: np.ndarray
    captures: np.ndarray
    camera_names: np.ndarray
    frames: np.ndarray
    camera: np.ndarray
    frame: np.ndarray
    focal: np.ndarray
    center: np.ndarray
    position: np.ndarray
    rotation: np.ndarray
    world: np.ndarray
    rootnet_boxes: np.ndarray
    rootnet_depth: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def key(self, row: int) -> str:
        """`CaptureN/SEQ/camC/imageF.jpg` of an item."""
        return self.file_names[row].decode(errors="replace")


def table_folder(files: SplitFiles) -> Path:
    """Where a split's arrays lie."""
    return files.root / "cache" / "annotations" / files.split


def build_table(split: Split) -> Table:
    """Arrays of a split, read `CHUNK` items at a time."""
    cameras = _Rows(lambda key: {part: split.cameras[key[0]][part][key[1]] for part in CAMERA})
    frames = _Rows(lambda key: split.joints[key[0]][key[1]]["world_coord"])
    parts: list[dict[str, np.ndarray]] = []
    while items := list(islice(split.items, CHUNK)):
        parts.append(_columns(items, split, cameras, frames))
    if not parts:
        parts.append(_columns([], split, cameras, frames))
    columns = {name: np.concatenate([part.pop(name) for part in parts]) for name in list(parts[0])}
    places: dict[str, tuple[Any, Any, tuple[int, ...]]] = {
        "focal": ([c["focal"] for c in cameras.values], np.float64, (2,)),
        "center": ([c["princpt"] for c in cameras.values], np.float64, (2,)),
        "position": ([c["campos"] for c in cameras.values], np.float64, (3,)),
        "rotation": ([c["camrot"] for c in cameras.values], np.float64, (3, 3)),
        "world": (frames.values, np.float32, (joints.COUNT, 3)),
    }
    return Table(**columns, **_arrays(places))


def _columns(items: list[Item], split: Split, cameras: "_Rows", frames: "_Rows") -> dict[str, Any]:
    """Arrays of some items, one entry each."""
    nothing = {"bbox": [np.nan] * 4, "abs_depth": [np.nan] * 2}
    rootnet = [split.rootnet.get(item.id, nothing) for item in items]
    columns: dict[str, tuple[Any, Any, tuple[int, ...]]] = {
        "ids": ([i.id for i in items], np.int64, ()),
        "sizes": ([i.size for i in items], np.int32, (2,)),
        "boxes": ([i.box for i in items], np.float32, (4,)),
        "joint_valid": ([i.joint_valid for i in items], np.uint8, (joints.COUNT,)),
        "hands": ([i.hands for i in items], np.uint8, (2,)),
        "hands_valid": ([i.hands_valid for i in items], np.uint8, ()),
        "fitted": ([split.fitted(i) for i in items], np.int8, (2,)),
        "captures": ([int(i.capture) for i in items], np.int32, ()),
        "camera_names": ([int(i.camera) for i in items], np.int32, ()),
        "frames": ([int(i.frame) for i in items], np.int32, ()),
        "camera": ([cameras.row((i.capture, i.camera)) for i in items], np.int32, ()),
        "frame": ([frames.row((i.capture, i.frame)) for i in items], np.int32, ()),
        "rootnet_boxes": ([r["bbox"] for r in rootnet], np.float32, (4,)),
        "rootnet_depth": ([r["abs_depth"] for r in rootnet], np.float64, (2,)),
    }
    names = [item.file_name.encode() for item in items]
    return {"file_names": np.array(names or [b""])[: len(names)], **_arrays(columns)}


def _arrays(columns: dict[str, tuple[Any, Any, tuple[int, ...]]]) -> dict[str, np.ndarray]:
    return {
        name: np.array(values, dtype=dtype).reshape(-1, *shape)
        for name, (values, dtype, shape) in columns.items()
    }


class _Rows:
    """Each key's value once, in the order of coming."""

    def __init__(self, value_of: Callable[[Any], Any]) -> None:
        self.value_of, self.rows, self.values = value_of, {}, []  # type: ignore[var-annotated]

    def row(self, key: Any) -> int:
        if key not in self.rows:
            self.rows[key] = len(self.values)
            self.values.append(self.value_of(key))
        return self.rows[key]


def prepare_table(files: SplitFiles, complain: Complain = raise_it) -> bool:
    """Make the arrays of a split where they are missing or older than what they come from.

    Returns:
        Whether anything had to be made.

    Raises:
        DataError: a file is missing or damaged, or the folder cannot be written.
    """
    folder = table_folder(files)
    source = _fingerprint(files)
    if _stamp(folder) == source:
        return False
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(folder.parent):
            # Another process may have made it while this one waited.
            return _stamp(folder) != source and _make(files, folder, source, complain)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be made ({error}); a --data_root that you may write to is wanted"
        ) from error


def _make(files: SplitFiles, folder: Path, source: Any, complain: Complain) -> bool:
    """Write the arrays beside their place, then move them there."""
    unfinished = folder.with_name(f".{files.split}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed
    table = build_table(read_split(files, complain))
    if not len(table):
        raise DataError(f"{files.annotation('data.json')}: no usable item in it")
    unfinished.mkdir()
    try:
        for name in Table.__dataclass_fields__:
            np.save(unfinished / f"{name}.npy", getattr(table, name))
        (unfinished / STAMP).write_text(json.dumps(source))
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return True


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold a folder's lock; it is free again when the process ends, however it ends."""
    with (folder / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def open_table(files: SplitFiles) -> Table:
    """Map a split's arrays into memory, making them first where needed."""
    prepare_table(files)
    folder = table_folder(files)
    try:
        arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in Table.__dataclass_fields__
        }
        fault = _fault(arrays)
    except Exception as error:  # numpy raises many kinds over damaged headers
        fault = str(error)
    if fault:
        raise DataError(
            f"{folder}: damaged ({fault}); delete the folder, then run "
            "`python -m training.prepare annotations`"
        )
    return Table(**arrays)


#: Of each array: its numbers' kind, what it has a row for, and a row's shape.
_LAYOUT = {
    "ids": ("i", "item", ()),
    "file_names": ("S", "item", ()),
    "sizes": ("i", "item", (2,)),
    "boxes": ("f", "item", (4,)),
    "joint_valid": ("u", "item", (joints.COUNT,)),
    "hands": ("u", "item", (2,)),
    "hands_valid": ("u", "item", ()),
    "fitted": ("i", "item", (2,)),
    "captures": ("i", "item", ()),
    "camera_names": ("i", "item", ()),
    "frames": ("i", "item", ()),
    "camera": ("i", "item", ()),
    "frame": ("i", "item", ()),
    "focal": ("f", "camera", (2,)),
    "center": ("f", "camera", (2,)),
    "position": ("f", "camera", (3,)),
    "rotation": ("f", "camera", (3, 3)),
    "world": ("f", "frame", (joints.COUNT, 3)),
    "rootnet_boxes": ("f", "item", (4,)),
    "rootnet_depth": ("f", "item", (2,)),
}


def _fault(arrays: dict[str, np.ndarray]) -> str:
    """What is wrong with arrays from the disk; empty when they go together."""
    rows: dict[str, int] = {}
    for name, (kind, owner, shape) in _LAYOUT.items():
        array = arrays[name]
        whole = (rows.setdefault(owner, array.shape[0] if array.ndim else -1), *shape)
        if array.dtype.kind != kind or array.shape != whole or array.dtype.byteorder == ">":
            return f"{name} is {array.dtype} {array.shape}, not {kind} {whole}"
    for name in ("camera", "frame"):
        array = arrays[name]
        if array.size and not 0 <= array.min() <= array.max() < rows[name]:
            return f"{name} names rows that are not there"
    return ""


def _stamp(folder: Path) -> Any:
    try:
        return json.loads((folder / STAMP).read_text())
    except (OSError, ValueError):
        return None


def _fingerprint(files: SplitFiles) -> dict[str, Any]:
    """Names, sizes and times of the files that a table comes from."""
    known = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files.sources()]
    return {"format": FORMAT, "digest": hashlib.sha256(repr(known).encode()).hexdigest()}
