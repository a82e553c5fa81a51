# SPDX-License-Identifier: Apache-2.0
"""Time a frame of following two hands, ours and MediaPipe Hands' in turns, on the bundled clip.

    python -m benchmarks.mediapipe_speed VENV [--turns 3] [--json OUT]

VENV is an environment with requirements/mediapipe.txt. 640x480, video already decoded; MediaPipe in
video mode with its larger model, ours with its defaults. The first frames of each turn do not
count. Then, ours alone, the first frame of a stream at 1280x720, with everything that following
spares later: the detector, and second looks where one is taken.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.clip import CLIP, read_truth
from benchmarks.hardware import hardware
from digit_core import Camera, DigitEstimator
from digit_core.media import Media
from training.label_photos.mediapipe_process import RUNNER

_WARM_UP = 20
#: Every so many frames of the clip one starts a stream of its own.
_FIRST_FRAMES_STEP = 4
_LARGE = (1280, 720)


def ours(frames: list[np.ndarray], camera: Camera, fps: float, estimator: DigitEstimator):
    """Milliseconds of each frame, (N,)."""
    track, times = estimator.tracker(), []
    for i, frame in enumerate(frames):
        start = time.perf_counter()
        track(frame, camera, i / fps)
        times.append(1e3 * (time.perf_counter() - start))
    return np.array(times)


def theirs(environment: Path) -> tuple[np.ndarray, str]:
    """Milliseconds of each frame, (N,), and MediaPipe's version.

    Raises:
        ValueError: MediaPipe cannot be run there.
    """
    command = [str(environment / "bin" / "python"), str(RUNNER), "clip", str(CLIP)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"{environment}: MediaPipe failed: {done.stderr.strip()[-300:]}")
    answer = json.loads(done.stdout)
    return np.array(answer["ms"]), answer["mediapipe"]


def first_frames(frames: list[np.ndarray], estimator: DigitEstimator) -> np.ndarray:
    """Milliseconds of the first frame of streams of 1280x720, each from another frame, (N,)."""
    times = []
    for frame in frames[::_FIRST_FRAMES_STEP]:
        large, track = cv2.resize(frame, _LARGE), estimator.tracker()
        start = time.perf_counter()
        track(large, None, 0.0)
        times.append(1e3 * (time.perf_counter() - start))
    return np.array(times)


def summary(times: np.ndarray) -> dict[str, float]:
    """Median, 90th percentile and least, ms."""
    found = {"median": np.median(times), "p90": np.quantile(times, 0.9), "least": times.min()}
    return {name: round(float(value), 2) for name, value in found.items()}


def measure(environment: Path, turns: int) -> dict:
    """All figures; prints each turn's.

    Raises:
        ValueError: MediaPipe cannot be run there.
    """
    frames, truth = list(Media.open(CLIP).frames()), read_truth(CLIP)
    estimator = DigitEstimator.load(device="cpu")
    rows = []
    for turn in range(turns):
        times, version = theirs(environment)
        rows.append(
            {
                "ours": summary(ours(frames, truth.camera, truth.fps, estimator)[_WARM_UP:]),
                "mediapipe": summary(times[_WARM_UP:]),
                "first_frame_1280x720": summary(first_frames(frames, estimator)[1:]),
            }
        )
        print(f"turn {turn + 1}: {rows[-1]}", flush=True)
    best = {name: min((row[name] for row in rows), key=_median) for name in rows[0]}
    return {
        "hardware": {
            **hardware(torch.device("cpu")),
            "mediapipe": version,
            "engine": estimator.engine,
            "cores": os.cpu_count(),
            "load": os.getloadavg()[0],
            "warm_up": _WARM_UP,
        },
        "turns": rows,
        "best": best,
        "ratio": round(_median(best["ours"]) / _median(best["mediapipe"]), 3),
    }


def _median(row: dict[str, float]) -> float:
    return row["median"]


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("environment", type=Path, metavar="VENV")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    try:
        report = measure(args.environment, args.turns)
        if args.json:
            args.json.write_text(json.dumps(report, indent=1) + "\n")
    except (ValueError, OSError) as error:
        print(f"mediapipe_speed: {error}", file=sys.stderr)
        return 1
    for name, row in report["best"].items():
        print(f"{name}: {row['median']:.1f} ms (p90 {row['p90']:.1f}, least {row['least']:.1f})")
    print(f"ours over MediaPipe's: {report['ratio']:.2f}")
    print(json.dumps(report["hardware"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
