# SPDX-License-Identifier: Apache-2.0
"""Time and memory of annotations up to InterHand2.6M's size: `prepare`, opening, workers.

    python -m benchmarks.annotations FOLDER [--items 10000 100000 1300000] [--json OUT]

Writes made-up training splits of so many annotated pictures (each frame seen by 80 cameras) into
FOLDER, where they are not there yet, with pictures for 512 of them. Then prints, each from
processes of their own: seconds and peak memory of the pass over the JSON; seconds to open the data
set; and of the reading workers, the seconds until their first batch and the memory that each shares
with nobody. Linux only.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from training.interhand.raw import SplitFiles
from training.interhand.table import table_folder

CAMERAS = 80
PICTURES = 512
WIDTH, HEIGHT = 334, 512
#: Opens the data set with workers and says what it cost; arguments: folder, workers, pictures.
READER = """
import json, re, sys, time
start = time.perf_counter()
from pathlib import Path
from torch.utils.data import DataLoader
from training.interhand.dataset import InterHand
from training.interhand.variations import Variations

def own_mib(process="self"):
    kept = re.findall(r"Private_\\w+: +(\\d+)", Path(f"/proc/{process}/smaps_rollup").read_text())
    return sum(map(int, kept)) / 2**10

imported = time.perf_counter()
data = InterHand(Path(sys.argv[1]), "train", variations=Variations())
opened = time.perf_counter()
workers, pictures = int(sys.argv[2]), int(sys.argv[3])
step = max(1, len(data) // pictures)
places = [[(i * step, 0) for i in range(k, k + 16)] for k in range(0, pictures, 16)]
loader = DataLoader(
    data, batch_sampler=places, num_workers=workers, collate_fn=lambda batch: batch,
    persistent_workers=True,
)
batches = iter(loader)
next(batches)
first = time.perf_counter()
for _ in batches:
    pass
own = [own_mib(worker.pid) for worker in batches._workers]
print(json.dumps({
    "imports_s": imported - start, "opening_s": opened - imported, "first_batch_s": first - opened,
    "main_mib": own_mib(), "worker_mib": max(own), "workers": workers,
}))
"""
#: Runs `prepare annotations`; argument: folder. Its peak is its own, not that of runs before it.
PREPARER = """
import json, resource, sys, time
start = time.perf_counter()
from training.prepare import main
if main(["annotations", "--splits", "train", "--data_root", sys.argv[1]]):
    sys.exit("prepare annotations failed")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
print(json.dumps({"prepare_s": time.perf_counter() - start, "prepare_peak_mib": peak}))
"""


def write_split(root: Path, count: int) -> None:
    """A split of `count` items in InterHand2.6M's layout; what repeats in reality repeats here."""
    files, rng = SplitFiles(root, "train"), np.random.default_rng(1)
    folder = files.annotation("data.json").parent
    folder.mkdir(parents=True, exist_ok=True)
    cameras = [str(400000 + i) for i in range(CAMERAS)]
    values = ([0.0, 0.0, 0.0], np.eye(3).tolist(), [1200.0, 1200.0], [WIDTH / 2, HEIGHT / 2])
    parts = ("campos", "camrot", "focal", "princpt")
    camera = {
        part: dict.fromkeys(cameras, value) for part, value in zip(parts, values, strict=True)
    }
    files.annotation("camera.json").write_text(json.dumps({"0": camera}))
    frames = -(-count // CAMERAS)
    hand = {"joint_valid": [1] * 42, "hand_type": "interacting", "hand_type_valid": True}
    with files.annotation("joint_3d.json").open("w") as out:
        out.write('{"0": {')
        for frame in range(frames):
            world = (rng.normal(0, 60, (42, 3)) + (0, 0, 1000)).round(4).tolist()
            entry = json.dumps({"world_coord": world} | hand)
            out.write(f'{", " if frame else ""}"{frame}": {entry}')
        out.write("}}")
    with files.annotation("data.json").open("w") as out:
        out.write('{"images": [')
        for i in range(count):
            out.write((", " if i else "") + json.dumps(_image(i, cameras)))
        out.write('], "annotations": [')
        boxes = rng.uniform(50, 200, (count, 4)).round(4)
        for i in range(count):
            entry = {"id": i, "image_id": i, "bbox": boxes[i].tolist()} | hand
            out.write((", " if i else "") + json.dumps(entry))
        out.write("]}")
    _write_pictures(root, count, cameras)


def _image(i: int, cameras: list[str]) -> dict:
    camera, frame = cameras[i % CAMERAS], i // CAMERAS
    return {
        "id": i,
        "file_name": f"Capture0/ROM03_RT_No_Occlusion/cam{camera}/image{frame}.jpg",
        "width": WIDTH,
        "height": HEIGHT,
        "capture": 0,
        "subject": 0,
        "seq_name": "ROM03_RT_No_Occlusion",
        "camera": camera,
        "frame_idx": frame,
    }


def _write_pictures(root: Path, count: int, cameras: list[str]) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    value = cv2.imencode(".jpg", cv2.resize(noise, (WIDTH, HEIGHT)))[1].tobytes()
    for k in range(PICTURES):
        path = root / "images" / "train" / _image(k * (count // PICTURES), cameras)["file_name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(value)


def told_by(program: str, *arguments: object) -> dict:
    """The last line of a program of its own, JSON.

    Raises:
        CalledProcessError: it failed; what it said is on stderr.
    """
    run = [sys.executable, "-c", program, *map(str, arguments)]
    out = subprocess.run(run, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out.splitlines()[-1])


def measure(folder: Path, items: int, workers: int) -> dict:
    """Figures of one size."""
    files = SplitFiles(folder, "train")
    if not files.annotation("data.json").exists():
        write_split(folder, items)
    shutil.rmtree(table_folder(files), ignore_errors=True)
    row = {"items": items, "json_mb": files.annotation("data.json").stat().st_size / 1e6}
    row |= told_by(PREPARER, folder)
    row["arrays_mb"] = sum(path.stat().st_size for path in table_folder(files).iterdir()) / 1e6
    return row | told_by(READER, folder, workers, PICTURES)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 100_000, 1_300_000])
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--json", type=Path)
    o = parser.parse_args()
    about = {"machine": platform.machine(), "cores": os.cpu_count()}
    print(about, flush=True)
    rows = []
    for items in o.items:
        rows.append(row := measure(o.folder / str(items), items, o.workers))
        print(
            f"{items} items, {row['json_mb']:.0f} MB of JSON: prepare {row['prepare_s']:.1f} s, "
            f"peak {row['prepare_peak_mib']:.0f} MiB, {row['arrays_mb']:.0f} MB of arrays; opening "
            f"{row['opening_s']:.2f} s after {row['imports_s']:.1f} s of imports, first batch of "
            f"{o.workers} workers {row['first_batch_s']:.2f} s later; memory of its own: main "
            f"process {row['main_mib']:.0f} MiB, a worker at most {row['worker_mib']:.0f} MiB",
            flush=True,
        )
    if o.json:
        o.json.write_text(json.dumps({"hardware": about, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
