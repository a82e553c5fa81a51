# SPDX-License-Identifier: Apache-2.0
"""Part labels of pictures, rendered from their MANO fits into `segm_32.lmdb`."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from digit_core.parts import LEFT_OFFSET
from digit_core.skeleton import SIDES
from training import mano, packing
from training.interhand.errors import DataError
from training.interhand.pictures import LABELS
from training.interhand.raw import SplitFiles, read_json
from training.interhand.table import Table, open_table
from training.rasterize import draw_labels

PNG_COLOR_TYPE = 25  # byte of a PNG; 0 is one channel


def prepare_masks(files: SplitFiles, folder: Path, vertex_parts: Path | None = None) -> int:
    """Render a split's part labels. Gives how many were added.

    Those that are in already are kept, unless they were made here from other fits, MANO files or
    vertex parts: then all of the split are made anew.

    Args:
        files: of the split.
        folder: has MANO_RIGHT.pkl and MANO_LEFT.pkl.
        vertex_parts: the release's list of them; else parts are those of the skinning weights.

    Raises:
        DataError: a file is missing or damaged.
    """
    hands = mano.load_hands(folder)
    if vertex_parts:
        parts = mano.read_vertex_parts(vertex_parts)
    else:
        parts = mano.vertex_parts(hands[0].weights)
    table, annotated = open_table(files), files.annotation("MANO_NeuralAnnot.json")
    fits = read_json(annotated)
    rows = {
        f"{files.split}/{table.key(row)}".replace("jpg", "png"): row for row in range(len(table))
    }
    sources = [annotated, *(folder / f"MANO_{side}.pkl" for side in ("RIGHT", "LEFT"))]
    path, stamp = files.root / LABELS, _digest(sources, parts)
    if packing.renew(path, list(rows), f"__source_{files.split}__", stamp):
        print(f"{files.split}: fits, MANO files or vertex parts changed, all masks are made anew")

    def values() -> Iterator[tuple[str, bytes]]:
        for key in packing.missing(path, list(rows), files.split):
            row = rows[key]
            fit = fits.get(str(table.captures[row]), {}).get(str(table.frames[row]), {})
            if any(fit.get(side) for side in SIDES):
                mask = render_mask(table, row, fit, hands, parts)
                yield key, cv2.imencode(".png", mask)[1].tobytes()

    return packing.fill(path, values())


def repack_masks(files: SplitFiles) -> int:
    """Masks of three equal channels, as the release packs them, to one channel, in place.

    They take half of the space and less than half of the time to read; the release reads them, too.

    Returns:
        How many were changed.

    Raises:
        DataError: there are no masks, or one is damaged.
    """
    table, path = open_table(files), files.root / LABELS
    if not (path / "data.mdb").exists():
        raise DataError(
            f"{path}: no masks to repack; run `python -m training.prepare masks --mano`"
        )
    keys = [f"{files.split}/{table.key(row)}".replace("jpg", "png") for row in range(len(table))]
    return packing.rewrite(path, keys, files.split, _one_channel)


def _one_channel(value: bytes) -> bytes:
    if value[PNG_COLOR_TYPE] == 0:
        return value
    mask = cv2.imdecode(np.frombuffer(value, np.uint8), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise DataError(
            f"{LABELS}: a damaged mask; `python -m training.prepare --check` says which"
        )
    return cv2.imencode(".png", mask)[1].tobytes()


def render_mask(
    table: Table, row: int, fit: dict, hands: tuple[mano.Mano, mano.Mano], parts: np.ndarray
) -> np.ndarray:
    """(H, W) uint8 labels of one picture from its frame's fits."""
    camera = table.camera[row]
    points, faces, labels, start = [], [], [], 0
    for channel, (side, model) in enumerate(zip(SIDES, hands, strict=True)):
        told = fit.get(side)
        if not told:
            continue
        world = 1000 * model.vertices(told["pose"], told["shape"], told["trans"])
        points.append((world - table.position[camera]) @ table.rotation[camera].T)
        faces.append(model.faces + start)
        labels.append(parts + channel * LEFT_OFFSET)
        start += len(world)
    seen = np.concatenate(points)
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels = seen[:, :2] / seen[:, 2:] * table.focal[camera] + table.center[camera]
    size = (int(table.sizes[row, 0]), int(table.sizes[row, 1]))
    return draw_labels(pixels, seen[:, 2], np.concatenate(faces), np.concatenate(labels), size)


def _digest(paths: list[Path], parts: np.ndarray) -> str:
    total = hashlib.sha256(parts.tobytes())
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                total.update(block)
    return total.hexdigest()
