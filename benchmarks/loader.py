# SPDX-License-Identifier: Apache-2.0
"""Samples per second from disk to batch: our data set beside the release's, in one run.

    python -m benchmarks.loader PATH_OF_THE_RELEASE DATA_ROOT [--repeat 40] [--rounds 5]

DATA_ROOT is in the release's layout with all its artefacts; its training split is read
`--repeat` times over in each round, with the release's variations, in batches of 16, by torch's
DataLoader. The first round of each side warms up; rounds alternate between the sides. The median
and the range of the rest are printed. "ours" reads the release's LMDBs, "ours, own packing" what
`training.prepare images` and `training.prepare masks --repack` make of the same data.
"""

import argparse
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import cv2
import lmdb
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks import digit_release
from training.interhand.dataset import InterHand
from training.interhand.raw import SplitFiles
from training.interhand.variations import Variations
from training.masks import repack_masks
from training.prepare import prepare_images

BATCH = 16


class Repeated(Dataset):
    """A data set several times over."""

    def __init__(self, data: Dataset, times: int) -> None:
        self.data, self.times = data, times

    def __len__(self) -> int:
        return len(self.data) * self.times

    def __getitem__(self, index: int):
        return self.data[index % len(self.data)]


class OursRepeated(Repeated):
    """The same for a data set that makes whole batches."""

    def __getitems__(self, indices: list[int]):
        places = [(index % len(self.data), index // len(self.data)) for index in indices]
        return self.data.__getitems__(places)


def as_it_is(batch):
    """Ours are whole batches."""
    return batch


def one_thread(_: int) -> None:
    """Workers are counted as cores."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def release_data(release: str, root: Path):
    """The release's training set, read where `root` is its ./data/InterHand."""
    sys.modules["lmdb"] = lmdb
    digit_release.open_release(release)
    # What numpy 2.4 no longer takes: text's old way of reading bytes.
    np.fromstring = lambda data, dtype: np.frombuffer(data, dtype)
    from src.dataset.image_dataset import ImageDataset

    folder = tempfile.mkdtemp()
    (Path(folder) / "data").mkdir()
    (Path(folder) / "data" / "InterHand").symlink_to(root.resolve(), target_is_directory=True)
    os.chdir(folder)

    def transform(picture):
        return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)

    return ImageDataset(transform, "train", "train", digit_release.settings())


def rate(loader: DataLoader) -> float:
    """Samples a second over one pass."""
    start, count = time.perf_counter(), 0
    for batch in loader:
        count += len(batch.images) if hasattr(batch, "images") else len(batch[0]["img"])
    return count / (time.perf_counter() - start)


def main() -> None:
    """Print the rates."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("release")
    parser.add_argument("root", type=Path)
    parser.add_argument("--repeat", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    o = parser.parse_args()
    root = o.root.resolve()
    one_thread(0)
    # lmdb opens a file once a process, and the release holds it open: ours reads a copy.
    copy = Path(shutil.copytree(root, Path(tempfile.mkdtemp()) / "InterHand"))
    ours = OursRepeated(InterHand(copy, "train", variations=Variations()), o.repeat)
    packed = Path(shutil.copytree(root, Path(tempfile.mkdtemp()) / "InterHand"))
    shutil.rmtree(packed / "images" / "interhand.lmdb")
    prepare_images(SplitFiles(packed, "train"), as_png=False)
    repack_masks(SplitFiles(packed, "train"))
    own = OursRepeated(InterHand(packed, "train", variations=Variations()), o.repeat)
    theirs = Repeated(release_data(str(Path(o.release).resolve()), root), o.repeat)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, OpenCV "
        f"{cv2.__version__}, {len(ours)} samples a round"
    )
    alone: dict[str, float] = {}
    for workers in (1, 2):
        options = {"batch_size": BATCH, "shuffle": True, "num_workers": workers}
        options["worker_init_fn"] = one_thread
        sides = {
            "release": DataLoader(theirs, **options),
            "ours": DataLoader(ours, collate_fn=as_it_is, **options),
            "ours, own packing": DataLoader(own, collate_fn=as_it_is, **options),
        }
        rates = {name: [] for name in sides}
        for _ in range(o.rounds + 1):
            for name, loader in sides.items():
                rates[name].append(rate(loader))
        for name, values in rates.items():
            told = values[1:]
            alone.setdefault(name, statistics.median(told))
            print(
                f"{workers} worker(s), {name}: {statistics.median(told):.0f} samples/s "
                f"({min(told):.0f} to {max(told):.0f})"
            )
        for name in ("ours", "ours, own packing"):
            pairs = zip(rates["release"][1:], rates[name][1:], strict=True)
            ratios = [ours / theirs for theirs, ours in pairs]
            print(
                f"{workers} worker(s), {name}: {statistics.median(ratios):.2f} times as fast "
                f"({min(ratios):.2f} to {max(ratios):.2f})"
            )
    for name, one in alone.items():
        print(
            f"{name}: extrapolated from 1 worker, not measured: 16 cores {16 * one:.0f} samples/s"
        )


if __name__ == "__main__":
    main()
