# SPDX-License-Identifier: Apache-2.0
"""Rendered pictures on disk, a few hundred a file: what training the default weights reads.

`python -m training.synth.shards --kind close-up --count 40000 --output DIR` renders; picture i of a
seed is always the same picture, files that are there are not rendered again, and each file is
written under a temporary name first, so that a run may stop anywhere and go on later.
"""

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from training.synth.scene import SceneOptions

SHARD = 500
_FRAME_SIZES = ((320, 240), (320, 320), (320, 180), (240, 320), (180, 320))
KINDS = ("close-up", "frame")
#: Identities 360 to 399 are for tests and clips and never trained on.
TRAINED_IDENTITIES = range(0, 360)
_OPTIONS = {
    "close-up": SceneOptions(
        single=0.35, interacting=0.68, distance_m=(0.22, 1.3), identities=TRAINED_IDENTITIES
    ),
    "frame": SceneOptions(
        single=0.40, interacting=0.45, distance_m=(0.3, 2.6), identities=TRAINED_IDENTITIES
    ),
}
_studio = None


def draw(kind: str, seed: int, index: int, options: SceneOptions | None = None):
    """Picture `index` of `seed`; the same arguments give the same picture on the same driver."""
    global _studio
    from training.synth.picture import Studio

    _studio = _studio or Studio()
    rng = np.random.default_rng([seed, KINDS.index(kind), index])
    options = options or _OPTIONS[kind]
    if kind == "close-up":
        return _studio.close_up(rng, options, 256)
    width, height = _FRAME_SIZES[rng.integers(len(_FRAME_SIZES))]
    return _studio.frame(rng, options, width, height, empty=0.12)


def write_shard(kind: str, seed: int, shard: int, output: Path) -> Path:
    """Render pictures shard * SHARD ... and write them; a file that is there is kept."""
    path = output / f"{kind}_{seed}_{shard:05d}.npz"
    if path.exists():
        return path
    cv2.setNumThreads(1)
    pictures = [draw(kind, seed, shard * SHARD + i) for i in range(SHARD)]
    coded = [
        cv2.imencode(".jpg", p.rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 93])[1] for p in pictures
    ]
    labels = [cv2.imencode(".png", p.labels)[1] for p in pictures]
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with open(temporary, "wb") as file:
        np.savez(
            file,
            jpeg=np.concatenate(coded),
            jpeg_end=np.cumsum([len(c) for c in coded]),
            label=np.concatenate(labels),
            label_end=np.cumsum([len(c) for c in labels]),
            joints_cam_m=np.stack([p.joints_cam_m for p in pictures]),
            joints_px=np.stack([p.joints_px for p in pictures]),
            k=np.stack([p.k for p in pictures]),
            size_m=np.array([p.size_m for p in pictures], np.float32),
            interacting=np.array([p.interacting for p in pictures]),
            focus=np.array([p.focus for p in pictures], np.int8),
        )
    temporary.replace(path)
    return path


def main() -> None:
    """Render `--count` pictures into `--output`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--count", type=int, required=True, help=f"pictures, in files of {SHARD}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    shards = range((args.count + SHARD - 1) // SHARD)
    start = time.monotonic()
    with ProcessPoolExecutor(args.workers) as pool:
        jobs = [pool.submit(write_shard, args.kind, args.seed, s, args.output) for s in shards]
        for done, job in enumerate(jobs, 1):
            job.result()
            rate = done * SHARD / (time.monotonic() - start)
            print(
                f"{done * SHARD} of {len(jobs) * SHARD} pictures, {rate:.1f} a second", flush=True
            )


if __name__ == "__main__":
    main()
