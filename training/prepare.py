# SPDX-License-Identifier: Apache-2.0
"""Make what InterHand2.6M lacks for training, in its folder; each step goes on where it stopped.

python -m training.prepare annotations                annotation files to memory-mapped arrays
python -m training.prepare images                     pictures into images/interhand.lmdb
python -m training.prepare masks --mano FOLDER        part labels from MANO fits, segm_32.lmdb
python -m training.prepare masks --repack             the release's masks, to be read faster
python -m training.prepare --check                    everything that is wrong with the data
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
from tqdm import tqdm

from digit_core.picture import decode_picture
from training import options as flags
from training import packing
from training.interhand.errors import DataError
from training.interhand.pictures import IMAGES, JPEG, PictureStore
from training.interhand.raw import SplitFiles, read_split
from training.interhand.subsets import SPLITS
from training.interhand.table import open_table, prepare_table
from training.masks import Sources, prepare_masks, repack_masks


def prepare_images(files: SplitFiles, as_png: bool) -> int:
    """Pack a split's pictures; those that are in already are kept. Gives how many were added.

    Raises:
        DataError: a picture is missing or damaged.
    """
    table = open_table(files)
    keys = [f"{files.split}/{table.key(row)}" for row in range(len(table))]

    def values() -> Iterator[tuple[str, bytes]]:
        for key in packing.missing(files.root / IMAGES, keys, files.split):
            path = files.root / "images" / key
            yield key, _packed(path, as_png)

    return packing.fill(files.root / IMAGES, values())


def _packed(path: Path, as_png: bool) -> bytes:
    try:
        value = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; unpack InterHand2.6M's pictures") from error
    picture = decode_picture(value)
    if picture is None or (value[:2] == JPEG and b"\xff\xd9" not in value[-64:]):
        raise DataError(f"{path}: damaged or truncated picture; unpack it again")
    if not as_png:
        return value
    # As the release: an RGB array given to an encoder that expects BGR.
    return cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))[1].tobytes()


def check(root: Path, splits: list[str]) -> list[str]:
    """Every fault of the data set, one sentence each."""
    faults: list[str] = []
    store = PictureStore(root)
    for split in splits:
        try:
            _check_split(SplitFiles(root, split), store, faults)
        except DataError as error:
            faults.append(str(error))
    return faults


def _check_split(files: SplitFiles, store: PictureStore, faults: list[str]) -> None:
    content = read_split(files, faults.append)
    rootnet = files.split != "train"
    if rootnet and not content.rootnet:
        faults.append(f"{files.rootnet}: not there; --trans_test rootnet needs it")
    for item in tqdm(content.items, desc=files.split, unit="picture"):
        if rootnet and content.rootnet and item.id not in content.rootnet:
            faults.append(f"{files.rootnet}: nothing on annotation {item.id}")
        try:
            _check_pictures(f"{files.split}/{item.file_name}", item.size, store)
        except DataError as error:
            faults.append(str(error))


def _check_pictures(key: str, size: tuple[int, int], store: PictureStore) -> None:
    picture = store.image(key)
    if picture.shape[1::-1] != size:
        told, found = ("x".join(map(str, values)) for values in (size, picture.shape[1::-1]))
        raise DataError(f"{store.root}: {key}: a picture of {found} where {told} is annotated")
    store.labels(key, size)


def run(o: argparse.Namespace) -> None:
    """Do one step for the splits that are asked for.

    Raises:
        DataError: what is needed is missing or damaged.
    """
    if o.check:
        faults = check(o.data_root, o.splits)
        if faults:
            raise DataError(*faults, f"{len(faults)} fault(s)")
        print(f"{o.data_root}: nothing is wrong with {', '.join(o.splits)}")
        return
    for split in o.splits:
        files = SplitFiles(o.data_root, split)
        if o.step == "annotations":
            print(f"{split}: {'made' if prepare_table(files) else 'up to date'}")
        elif o.step == "images":
            print(f"{split}: {prepare_images(files, o.png)} pictures added")
        elif o.repack:
            print(f"{split}: {repack_masks(files)} masks repacked")
        else:
            sources = Sources(files, o.mano, o.vertex_parts)
            print(f"{split}: {prepare_masks(sources, o.workers)} masks added")


def main(arguments: list[str] | None = None) -> int:
    """Prepare or check; 2 with what is wrong where the data cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m training.prepare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("step", nargs="?", choices=("annotations", "images", "masks"))
    parser.add_argument("--check", action="store_true", help="report every fault, change nothing")
    parser.add_argument("--data_root", type=Path, default=Path("data/InterHand"), metavar="DIR")
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=list(SPLITS))
    parser.add_argument(
        "--png", action="store_true", help="images: PNG as the release packs, five times larger"
    )
    parser.add_argument(
        "--mano", type=Path, metavar="DIR", help="has MANO_RIGHT.pkl, MANO_LEFT.pkl"
    )
    parser.add_argument("--repack", action="store_true", help="masks: to one channel, in place")
    parser.add_argument(
        "--workers", type=flags.positive, default=1, help="masks: processes that draw (%(default)s)"
    )
    parser.add_argument("--vertex_parts", type=Path, metavar="F", help="the release's vertex list")
    o = parser.parse_args(arguments)
    if bool(o.step) == o.check:
        parser.error("give one of annotations, images, masks and --check")
    if o.step == "masks" and bool(o.mano) == o.repack:
        parser.error("masks needs --mano FOLDER with MANO_RIGHT.pkl and MANO_LEFT.pkl, or --repack")
    return flags.run_command(lambda: run(o))


if __name__ == "__main__":
    sys.exit(main())
