# SPDX-License-Identifier: Apache-2.0
"""Part labels of pictures, rendered from their MANO fits into `segm_32.lmdb`."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from digit_core.parts import LEFT_OFFSET
from digit_core.picture import decode_picture
from digit_core.skeleton import SIDES
from training import mano, packing
from training.interhand.errors import DataError
from training.interhand.pictures import LABELS
from training.interhand.raw import SplitFiles, read_json
from training.interhand.table import Table, open_table
from training.rasterize import draw_labels

BLOCK = 32  # masks that a worker process draws at a time
PNG_COLOR_TYPE = 25  # byte of a PNG; 0 is one channel


@dataclass(frozen=True)
class Sources:
    """Where masks come from.

    Attributes:
        files: of the split.
        folder: has MANO_RIGHT.pkl and MANO_LEFT.pkl.
        vertex_parts: the release's list of them; else parts are those of the skinning weights.
    """

    files: SplitFiles
    folder: Path
    vertex_parts: Path | None = None

    def load(self) -> "Renderer":
        """Read them.

        Raises:
            DataError: a file is missing or damaged.
        """
        hands = mano.load_hands(self.folder)
        if self.vertex_parts:
            parts = mano.read_vertex_parts(self.vertex_parts)
        else:
            parts = mano.vertex_parts(hands[0].weights)
        fits = read_json(self.files.annotation("MANO_NeuralAnnot.json"))
        return Renderer(open_table(self.files), fits, hands, parts)

    def digest(self, parts: np.ndarray) -> str:
        """Of the fits, MANO's files and the parts (778,)."""
        total = hashlib.sha256(parts.tobytes())
        files = [self.folder / f"MANO_{side}.pkl" for side in ("RIGHT", "LEFT")]
        for path in (self.files.annotation("MANO_NeuralAnnot.json"), *files):
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    total.update(block)
        return total.hexdigest()


@dataclass(frozen=True)
class Renderer:
    """Draws the masks of a split; hands are (right, left), parts (778,)."""

    table: Table
    fits: dict[str, Any]
    hands: tuple[mano.Mano, mano.Mano]
    parts: np.ndarray

    def packed(self, row: int) -> bytes | None:
        """PNG of one picture's labels, or None where neither hand was fitted."""
        place = str(self.table.captures[row]), str(self.table.frames[row])
        fit = self.fits.get(place[0], {}).get(place[1], {})
        if not any(fit.get(side) for side in SIDES):
            return None
        mask = render_mask(self.table, row, fit, self.hands, self.parts)
        return cv2.imencode(".png", mask)[1].tobytes()


def prepare_masks(sources: Sources, workers: int = 1) -> int:
    """Render a split's part labels with so many processes. Gives how many were added.

    Those that are in already are kept, unless they were made here from other fits, MANO files or
    vertex parts: then all of the split are made anew.

    Raises:
        DataError: a file is missing or damaged.
    """
    renderer, files = sources.load(), sources.files
    table, path = renderer.table, files.root / LABELS
    rows = {
        f"{files.split}/{table.key(row)}".replace("jpg", "png"): row for row in range(len(table))
    }
    if packing.renew(path, list(rows), f"__source_{files.split}__", sources.digest(renderer.parts)):
        print(f"{files.split}: fits, MANO files or vertex parts changed, all masks are made anew")
    keys = packing.missing(path, list(rows), files.split)
    return packing.fill(path, _rendered(sources, renderer, keys, rows, workers))


def _rendered(
    sources: Sources,
    renderer: Renderer,
    keys: Iterator[str],
    rows: dict[str, int],
    workers: int,
) -> Iterator[tuple[str, bytes]]:
    with ExitStack() as stack:
        several = workers > 1
        pool = stack.enter_context(Pool(workers, _load, (sources,))) if several else None
        while block := list(islice(keys, BLOCK * workers)):
            places = [rows[key] for key in block]
            values = pool.map(_packed, places) if pool else map(renderer.packed, places)
            yield from ((k, v) for k, v in zip(block, values, strict=True) if v is not None)


#: Of a worker process.
_renderer: list[Renderer] = []


def _load(sources: Sources) -> None:
    _renderer.append(sources.load())


def _packed(row: int) -> bytes | None:
    return _renderer[0].packed(row)


def repack_masks(files: SplitFiles) -> int:
    """Masks of three equal channels, as the release packs them, to one channel, in place.

    They take half of the space and less time to read; the release reads them, too.

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
    if value[PNG_COLOR_TYPE : PNG_COLOR_TYPE + 1] == b"\0":
        return value
    mask = decode_picture(value, cv2.IMREAD_GRAYSCALE)
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
