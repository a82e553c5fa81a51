# SPDX-License-Identifier: Apache-2.0
"""Pictures with their truth to InterHand2.6M's own on-disk layout, as `training.train` reads it.

Every picture has a camera and a frame of its own; the world is the camera's space, in mm.
"""

import json
import os
import pickle
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import lmdb
import numpy as np

from digit_core.parts import NUM_PARTS
from digit_core.skeleton import SIDES, network_from_public
from training.drawing import write_picture
from training.interhand import joints
from training.interhand.errors import DataError
from training.interhand.patch import MARGIN
from training.interhand.pictures import LABELS

CAMERA, SEQUENCE = 400000, "0000_rendered"
JPEG_QUALITY = 95
ROOTNET_SIGMA_MM = 20.0  # RootNet's own error is about so large
#: The files are as good as these digits (InterHand2.6M's are in mm and px).
_DIGITS = 4
MAP_SIZE = 1 << 40  # address space; the file grows as it is filled


@dataclass(frozen=True)
class Drawn:
    """A picture with its truth, hands (right, left), joints in public order.

    Attributes:
        rgb: (H, W, 3) uint8.
        labels: (H, W) uint8 part labels; larger ones are no hand.
        joints_cam_m: (2, 21, 3) camera space, metres.
        joints_px: (2, 21, 2).
        present: (2,) bool.
        k: (3, 3) intrinsics.
    """

    rgb: np.ndarray
    labels: np.ndarray
    joints_cam_m: np.ndarray
    joints_px: np.ndarray
    present: np.ndarray
    k: np.ndarray


@dataclass
class _Files:
    images: list[dict] = field(default_factory=list)
    annotations: list[dict] = field(default_factory=list)
    cameras: dict[str, dict] = field(
        default_factory=lambda: {part: {} for part in ("campos", "camrot", "focal", "princpt")}
    )
    joints: dict[str, dict] = field(default_factory=dict)
    rootnet: list[dict] = field(default_factory=list)
    fits: dict[str, dict] = field(default_factory=dict)


def write_split(root: Path, split: str, pictures: Iterable[Drawn], seed: int = 1) -> int:
    """Write one split; pictures without a hand in them are left out.

    Args:
        root: folder of the data set; other splits in it stay.
        split: train, val or test.
        pictures: what is written.
        seed: of the error of RootNet's made-up output.

    Returns:
        How many pictures were written.

    Raises:
        DataError, OSError: they cannot be written.
    """
    files, rng = _Files(), np.random.default_rng(seed)
    (root / LABELS).mkdir(parents=True, exist_ok=True)
    try:
        with lmdb.open(str(root / LABELS), map_size=MAP_SIZE) as masks:
            for picture in pictures:
                if picture.present.any():
                    _add(root, split, files, picture, masks, rng)
    except lmdb.Error as error:
        raise DataError(f"{root / LABELS}: cannot be written ({error})") from error
    _write_annotations(root, split, files)
    return len(files.images)


def _add(root, split: str, files: _Files, picture: Drawn, masks, rng) -> None:
    number = len(files.images)
    there = picture.present.astype(bool)
    camera, key = (
        str(CAMERA + number),
        f"Capture0/{SEQUENCE}/cam{CAMERA + number}/image{number}.jpg",
    )
    path = root / "images" / split / key
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, picture.rgb, cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY)
    labels = np.where(picture.labels < NUM_PARTS, picture.labels, 0).astype(np.uint8)
    with masks.begin(write=True) as transaction:
        value = cv2.imencode(".png", labels)[1].tobytes()
        transaction.put(f"{split}/{key.replace('jpg', 'png')}".encode(), value)
    world = 1000 * network_from_public(*picture.joints_cam_m.astype(np.float64))
    valid = np.repeat(there, joints.PER_HAND).astype(int).tolist()
    kind = "interacting" if there.all() else SIDES[int(np.flatnonzero(there)[0])]
    box = _box(picture.joints_px[there].reshape(-1, 2))
    height, width = picture.rgb.shape[:2]
    place = {
        "capture": 0,
        "subject": 0,
        "seq_name": SEQUENCE,
        "camera": camera,
        "frame_idx": number,
    }
    files.images.append({"id": number, "file_name": key, "width": width, "height": height} | place)
    hand = {"hand_type": kind, "hand_type_valid": 1}
    files.annotations.append(
        {"id": number, "image_id": number, "bbox": _rounded(box), "joint_valid": valid} | hand
    )
    k = np.asarray(picture.k, dtype=np.float64)
    values = ([0.0] * 3, np.eye(3).tolist(), _rounded(np.diag(k)[:2]), _rounded(k[:2, 2]))
    for part, value in zip(files.cameras, values, strict=True):
        files.cameras[part][camera] = value
    files.joints[str(number)] = {"world_coord": _rounded(world), "joint_valid": valid} | hand
    depths = world[list(joints.WRISTS), 2] + rng.normal(0, ROOTNET_SIGMA_MM, 2)
    square = _square(box)
    files.rootnet.append({"annot_id": number, "bbox": square, "abs_depth": _rounded(depths)})
    errors = {
        f"{side}_fit_err": np.float32(0) if there[i] else None for i, side in enumerate(SIDES)
    }
    files.fits[f"{split}/{key}"] = errors | {"imsize": (width, height)}


def _write_annotations(root: Path, split: str, files: _Files) -> None:
    folder = root / "annotations" / split
    skeleton = [f"{name} {i} {parent}" for i, (name, parent) in enumerate(_parents())]
    header = "# joint_name joint_id joint_parent_id"
    _replace(root / "annotations" / "skeleton.txt", "\n".join([header, *skeleton]).encode() + b"\n")
    start = f"InterHand2.6M_{split}_"
    data = {"images": files.images, "annotations": files.annotations}
    _json(folder / f"{start}data.json", data)
    _json(folder / f"{start}camera.json", {"0": files.cameras})
    _json(folder / f"{start}joint_3d.json", {"0": files.joints})
    pairs = zip(files.images, files.annotations, strict=True)
    entries = {image["id"]: image | {"anno": annotation} for image, annotation in pairs}
    _replace(folder / f"{start}data.pkl", pickle.dumps(entries))
    if split != "train":
        name = f"rootnet_interhand2.6m_output_{split}.json"
        _json(root / "rootnet_output" / name, files.rootnet)
    _replace(root / "cache" / f"meta_dict_{split}.pkl", pickle.dumps(files.fits))


def _parents() -> list[tuple[str, int]]:
    parents = {int(outer): int(inner) for hand in joints.BONES for outer, inner in hand}
    return [(name, parents.get(joint, -1)) for joint, name in enumerate(joints.NAMES)]


def _box(points: np.ndarray) -> np.ndarray:
    low, high = points.min(axis=0), points.max(axis=0)
    return np.concatenate((low, np.maximum(high - low, 1.0)))


def _square(box: np.ndarray) -> list[float]:
    side = MARGIN * max(box[2:])
    return _rounded(np.append(box[:2] + box[2:] / 2 - side / 2, [side, side]))


def _rounded(values: np.ndarray) -> Any:
    return np.asarray(values, dtype=np.float64).round(_DIGITS).tolist()


def _json(path: Path, content: Any) -> None:
    _replace(path, json.dumps(content).encode())


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_bytes(content)
    os.replace(unfinished, path)
