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
        raise DataError(f"{path}: no such file; {VERSION}, see docs/data.md") from error
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: damaged ({error}); download it again") from error


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
    for number, (image, annotation) in enumerate(_read_pairs(files)):
        try:
            item = _item(files, number, image, annotation)
            check_item(files, item, cameras, places)
        except DataError as error:
            complain(str(error))
            continue
        yield item


def _read_pairs(files: SplitFiles) -> Iterator[tuple[Any, Any]]:
    path, pickled = files.annotation("data.json"), files.annotation("data.pkl")
    if not path.exists() and pickled.exists():
        yield from ((entry, entry["anno"]) for entry in read_pickle(pickled).values())
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


def _stream(path: Path, kind: str) -> Iterator[Any]:
    """The entries of one of a JSON file's lists, one at a time."""
    try:
        with path.open("rb") as file:
            yield from ijson.items(file, f"{kind}.item", use_float=True)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; {VERSION}, see docs/data.md") from error
    except (ijson.JSONError, OSError) as error:
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
        kind = annotation["hand_type"]
        valid = np.array(annotation["joint_valid"], dtype=np.float32).reshape(joints.COUNT)
        item = Item(
            id=int(annotation["id"]),
            file_name=str(image["file_name"]),
            size=(int(image["width"]), int(image["height"])),
            box=np.array(annotation["bbox"], dtype=np.float32).reshape(4),
            joint_valid=valid,
            hands=HANDS[kind],
            hands_valid=int(annotation["hand_type_valid"]),
            capture=str(image["capture"]),
            camera=str(image["camera"]),
            frame=str(image["frame_idx"]),
        )
    except KeyError as error:
        raise DataError(f"{path}: row {number} has no or an unknown {error}; {VERSION}") from error
    except (TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: row {number} is malformed ({error}); {VERSION}") from error
    if not np.isfinite(item.box).all() or (item.box[2:] <= 0).any():
        raise DataError(f"{path}: annotation {item.id} has the empty box {item.box.tolist()}")
    return item


def check_item(files: SplitFiles, item: Item, cameras: Any, places: Any) -> None:
    """Whether the item's camera and joints are there.

    Raises:
        DataError: they are not.
    """
    camera = cameras.get(item.capture, {})
    for part in ("campos", "camrot", "focal", "princpt"):
        if item.camera not in camera.get(part, {}):
            raise DataError(
                f"{files.annotation('camera.json')}: annotation {item.id} needs {part} of camera "
                f"{item.camera} in capture {item.capture}, which is not there; download it again"
            )
    frame = places.get(item.capture, {}).get(item.frame)
    if frame is None:
        raise DataError(
            f"{files.annotation('joint_3d.json')}: annotation {item.id} needs frame "
            f"{item.frame} of capture {item.capture}, which is not there; download it again"
        )
    if not isinstance(frame, dict) or "world_coord" not in frame:
        path = files.annotation("joint_3d.json")
        raise DataError(f"{path}: frame {item.frame} has no world_coord; {VERSION}")


def _read_rootnet(files: SplitFiles) -> dict[int, Any]:
    if not files.rootnet.exists():
        return {}
    return {int(entry["annot_id"]): entry for entry in read_json(files.rootnet)}


def _fit_reader(files: SplitFiles) -> Callable[[Item], tuple[int, int]]:
    """From the release's list, else from the fits themselves, else unknown."""
    if files.fits.exists():
        errors = read_pickle(files.fits)

        def by_list(item: Item) -> tuple[int, int]:
            entry = errors.get(f"{files.split}/{item.file_name}", {})
            right, left = (int(entry.get(f"{s}_fit_err") is not None) for s in ("right", "left"))
            return right, left

        return by_list
    path = files.annotation("MANO_NeuralAnnot.json")
    if path.exists():
        fits = read_json(path)

        def by_fits(item: Item) -> tuple[int, int]:
            frame = fits.get(item.capture, {}).get(item.frame, {})
            return int(bool(frame.get("right"))), int(bool(frame.get("left")))

        return by_fits
    return lambda item: (-1, -1)
