# SPDX-License-Identifier: Apache-2.0
"""InterHand2.6M's own annotation files (v1.0), item by item, every fault named.

The list of pictures, 700 MB of JSON for the training split, is read as a stream; the other files
are small, as all cameras share a frame.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import ijson
import numpy as np

from training.interhand import joints
from training.interhand.errors import DataError
from training.interhand.pickles import read_pickle

HANDS = {"right": (1, 0), "left": (0, 1), "interacting": (1, 1)}
VERSION = "expected InterHand2.6M v1.0 (5 fps); v0.0 has other files, download v1.0"
#: A camera's numbers: position mm, rotation from the world, focal length px, principal point px.
CAMERA = {"campos": (3,), "camrot": (3, 3), "focal": (2,), "princpt": (2,)}
_NAME_BYTES = 400  # LMDB's keys have 511, the split before it among them
#: Called with the sentence of each fault; may raise it.
Complain = Callable[[str], None]


@dataclass(frozen=True)
class SplitFiles:
    """Paths of one split in InterHand2.6M's layout."""

    root: Path
    split: str

    def annotation(self, kind: str) -> Path:
        """`kind` is data.json, data.pkl, camera.json, joint_3d.json or MANO_NeuralAnnot.json."""
        folder = self.root / "annotations" / self.split
        return folder / f"InterHand2.6M_{self.split}_{kind}"

    @property
    def rootnet(self) -> Path:
        """RootNet's boxes and wrist depths; there is none for the training split."""
        name = f"rootnet_interhand2.6m_output_{self.split}.json"
        return self.root / "rootnet_output" / name

    @property
    def fits(self) -> Path:
        """The release's list of which hands were fitted."""
        return self.root / "cache" / f"meta_dict_{self.split}.pkl"

    def sources(self) -> list[Path]:
        """All files that the annotations of the split come from, of those that are there."""
        kinds = ("data.json", "data.pkl", "camera.json", "joint_3d.json", "MANO_NeuralAnnot.json")
        paths = [*map(self.annotation, kinds), self.rootnet, self.fits]
        return [path for path in paths if path.exists()]


def raise_it(fault: str) -> None:
    """The `Complain` that stops at the first fault."""
    raise DataError(fault)


def read_json(path: Path) -> Any:
    """A JSON file.

    Raises:
        DataError: it is missing or damaged.
    """
    try:
        with path.open(encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; {VERSION}, see docs/training.md") from error
    except (ValueError, OSError, RecursionError) as error:
        raise DataError(f"{path}: damaged ({error}); download it again") from error


def entry(content: Any, *keys: Any) -> Any:
    """What lies in mappings of mappings under these keys; None where one of them has it not."""
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content


def numbers(value: Any, shape: tuple[int, ...], dtype: Any = np.float64) -> np.ndarray | None:
    """An array of this shape, or None where the value is anything else."""
    try:
        array = np.array(value)
        return array.astype(dtype) if array.dtype.kind in "biuf" and array.shape == shape else None
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None


@dataclass
class Item:
    """One annotated picture; units as in the files (mm, px)."""

    id: int
    file_name: str
    size: tuple[int, int]
    box: np.ndarray
    joint_valid: np.ndarray
    hands: tuple[int, int]
    hands_valid: int
    capture: str
    camera: str
    frame: str


@dataclass
class Split:
    """All of a split's files.

    Attributes:
        items: in the file's order, read while they are iterated over, which may raise DataError.
        cameras: capture -> campos, camrot, focal, princpt -> camera -> numbers.
        joints: capture -> frame -> world_coord.
        rootnet: annotation id -> entry; empty without the file.
        fitted: item -> (right, left) 1 fitted, 0 not, -1 unknown.
    """

    items: Iterator[Item]
    cameras: dict[str, Any]
    joints: dict[str, Any]
    rootnet: dict[int, Any]
    fitted: Callable[[Item], tuple[int, int]]


def read_split(files: SplitFiles, complain: Complain = raise_it) -> Split:
    """Read one split; items that are at fault are left out where `complain` returns.

    Raises:
        DataError: a file is missing or damaged.
    """
    cameras = read_json(files.annotation("camera.json"))
    places = read_json(files.annotation("joint_3d.json"))
    items = _items(files, cameras, places, complain)
    return Split(items, cameras, places, _read_rootnet(files), _fit_reader(files))


def _items(files: SplitFiles, cameras: Any, places: Any, complain: Complain) -> Iterator[Item]:
    checked: set[tuple[str, ...]] = set()
    for number, (image, annotation) in enumerate(_read_pairs(files)):
        try:
            item = _item(files, number, image, annotation)
            camera, frame = ("camera", item.capture, item.camera), ("", item.capture, item.frame)
            if camera not in checked:
                check_camera(files, item, cameras)
            if frame not in checked:
                check_frame(files, item, places)
            checked.update((camera, frame))
        except DataError as error:
            complain(str(error))
            continue
        yield item


def _read_pairs(files: SplitFiles) -> Iterator[tuple[Any, Any]]:
    path, pickled = files.annotation("data.json"), files.annotation("data.pkl")
    if not path.exists() and pickled.exists():
        yield from _pickled_pairs(pickled)
        return
    number = 0
    for image, annotation in zip_longest(_stream(path, "images"), _stream(path, "annotations")):
        if image is None or annotation is None:
            few, many = ("images", "annotations") if image is None else ("annotations", "images")
            raise DataError(
                f"{path}: only {number} {few} but more {many}; the file is not whole, download it "
                "again"
            )
        number += 1
        yield image, annotation
    if not number:
        raise DataError(f"{path}: no images and annotations; {VERSION}")


def _pickled_pairs(path: Path) -> Iterator[tuple[Any, Any]]:
    content = read_pickle(path)
    if not isinstance(content, dict) or not content:
        raise DataError(f"{path}: holds no annotations; delete it and unpack the data set again")
    for key, value in content.items():
        if not isinstance(entry(value, "anno"), dict):
            raise DataError(f"{path}: entry {str(key)[:40]} has no annotation ('anno')")
        yield value, value["anno"]


def _stream(path: Path, kind: str) -> Iterator[Any]:
    """The entries of one of a JSON file's lists, one at a time."""
    try:
        with path.open("rb") as file:
            yield from ijson.items(file, f"{kind}.item", use_float=True)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; {VERSION}, see docs/training.md") from error
    # ValueError and OverflowError: of numbers that are none, or too large.
    except (ijson.JSONError, OSError, ValueError, OverflowError, RecursionError) as error:
        raise DataError(f"{path}: damaged ({_one_line(error)}); download it again") from error


def _one_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _item(files: SplitFiles, number: int, image: Any, annotation: Any) -> Item:
    path = files.annotation("data.json")
    try:
        if image["id"] != annotation["image_id"]:
            raise DataError(
                f"{path}: row {number} has image {image['id']} beside an annotation of image "
                f"{annotation['image_id']}; expected both lists in one order"
            )
        item = Item(
            id=_whole(annotation["id"], 1 << 62),
            file_name=_file_name(image["file_name"]),
            size=(_whole(image["width"]), _whole(image["height"])),
            box=_shaped(annotation["bbox"], (4,)),
            joint_valid=_flags(annotation["joint_valid"]),
            hands=HANDS[annotation["hand_type"]],
            hands_valid=_whole(annotation["hand_type_valid"], 1),
            capture=str(_whole(image["capture"])),
            camera=str(_whole(image["camera"])),
            frame=str(_whole(image["frame_idx"])),
        )
    except KeyError as error:
        raise DataError(f"{path}: row {number} has no or an unknown {error}; {VERSION}") from error
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: row {number} is malformed ({error}); {VERSION}") from error
    if not _is_box(item.box):
        raise DataError(f"{path}: annotation {item.id} has the empty box {item.box.tolist()}")
    return item


def _is_box(box: np.ndarray) -> bool:
    """Whether x, y, width, height in pixels are a place that a patch can be cut out of."""
    return bool((np.abs(box) < 1e6).all() and (box[2:] > 0.01).all())


def _whole(value: Any, most: int = (1 << 31) - 1) -> int:
    """A whole number of a file, which may be written as text or with a point."""
    number = int(value)
    if not 0 <= number <= most:
        raise ValueError(f"{value} where a whole number from 0 to {most} is expected")
    return number


def _shaped(value: Any, shape: tuple[int, ...]) -> np.ndarray:
    array = numbers(value, shape, np.float32)
    if array is None:
        raise ValueError(f"not {'x'.join(map(str, shape))} numbers: {str(value)[:60]}")
    return array


def _flags(value: Any) -> np.ndarray:
    """(42,) zeros and ones, whether the file nests them or not."""
    array = np.array(value)
    if (
        array.dtype.kind not in "biuf"
        or array.size != joints.COUNT
        or not ((array == 0) | (array == 1)).all()
    ):
        raise ValueError(f"joint_valid is not {joints.COUNT} zeros and ones")
    return array.astype(np.float32).reshape(joints.COUNT)


def _file_name(value: Any) -> str:
    """A path below the pictures' folder, short enough for every file system and for LMDB's keys."""
    name = str(value)
    if not name.isprintable() or len(name.encode()) > _NAME_BYTES or ".." in name.split("/"):
        raise ValueError(f"{name[:60]!r} is no file's name")
    return name


def check_camera(files: SplitFiles, item: Item, cameras: Any) -> None:
    """Whether the item's camera is there.

    Raises:
        DataError: it is not.
    """
    for part, shape in CAMERA.items():
        values = entry(cameras, item.capture, part, item.camera)
        needs = f"{files.annotation('camera.json')}: annotation {item.id} needs {part} of camera "
        needs += f"{item.camera} in capture {item.capture}, which is "
        if values is None:
            raise DataError(f"{needs}not there; download it again")
        array = numbers(values, shape)
        if array is None or not np.isfinite(array).all():
            raise DataError(f"{needs}not {'x'.join(map(str, shape))} finite numbers")


def check_frame(files: SplitFiles, item: Item, places: Any) -> None:
    """Whether the item's joints are there.

    Raises:
        DataError: they are not.
    """
    path = files.annotation("joint_3d.json")
    frame = entry(places, item.capture, item.frame)
    if frame is None:
        raise DataError(
            f"{path}: annotation {item.id} needs frame "
            f"{item.frame} of capture {item.capture}, which is not there; download it again"
        )
    if entry(frame, "world_coord") is None:
        raise DataError(f"{path}: frame {item.frame} has no world_coord; {VERSION}")
    if numbers(frame["world_coord"], (joints.COUNT, 3)) is None:
        raise DataError(
            f"{path}: frame {item.frame} has no {joints.COUNT}x3 world_coord; {VERSION}"
        )


def _read_rootnet(files: SplitFiles) -> dict[int, Any]:
    if not files.rootnet.exists():
        return {}
    content = read_json(files.rootnet)
    found: dict[int, Any] = {}
    for row in content if isinstance(content, list) else [content]:
        boxes, depths = (
            numbers(entry(row, k), s) for k, s in (("bbox", (4,)), ("abs_depth", (2,)))
        )
        if (
            boxes is None
            or depths is None
            or not _is_box(boxes)
            or not isinstance(entry(row, "annot_id"), int)
        ):
            raise DataError(
                f"{files.rootnet}: entry {len(found)} is not annot_id, bbox (4) and abs_depth (2) "
                "in numbers; download it again"
            )
        found[row["annot_id"]] = row
    return found


def _fit_reader(files: SplitFiles) -> Callable[[Item], tuple[int, int]]:
    """From the release's list, else from the fits themselves, else unknown."""
    if files.fits.exists():
        errors = read_pickle(files.fits)
        if not isinstance(errors, dict):
            raise DataError(f"{files.fits}: no mapping from pictures to fits; delete it")

        def by_list(item: Item) -> tuple[int, int]:
            told = entry(errors, f"{files.split}/{item.file_name}")
            right, left = (int(entry(told, f"{s}_fit_err") is not None) for s in ("right", "left"))
            return right, left

        return by_list
    path = files.annotation("MANO_NeuralAnnot.json")
    if path.exists():
        fits = read_json(path)
        if not isinstance(fits, dict):
            raise DataError(f"{path}: no mapping from captures to frames; download it again")

        def by_fits(item: Item) -> tuple[int, int]:
            right, left = (entry(fits, item.capture, item.frame, s) for s in ("right", "left"))
            return int(bool(right)), int(bool(left))

        return by_fits
    return lambda item: (-1, -1)
