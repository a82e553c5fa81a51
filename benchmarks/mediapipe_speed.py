# SPDX-License-Identifier: Apache-2.0
"""Time a frame of following two hands, ours and MediaPipe Hands' in turns, on the bundled clip.

`python -m benchmarks.mediapipe_speed VENV [--turns 3]`, VENV being an environment with
requirements/mediapipe.txt. 640x480, video already decoded; MediaPipe in video mode with its larger
model, ours with its defaults. The first frames of each turn do not count.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.clip import CLIP, read_truth
from digit_core import Camera, DigitEstimator
from digit_core.media import Media

_WARM_UP = 20


def ours(frames: list[np.ndarray], camera: Camera, fps: float, estimator: DigitEstimator):
    """Milliseconds of each frame, (N,)."""
    track, times = estimator.tracker(), []
    for i, frame in enumerate(frames):
        start = time.perf_counter()
        track(frame, camera, i / fps)
        times.append(1e3 * (time.perf_counter() - start))
    return np.array(times)


def theirs(environment: Path) -> np.ndarray:
    """Milliseconds of each frame, (N,).

    Raises:
        ValueError: MediaPipe cannot be run there.
    """
    runner = Path(__file__).with_name("mediapipe_hands.py")
    command = [str(environment / "bin" / "python"), str(runner), "clip", str(CLIP)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"{environment}: MediaPipe failed: {done.stderr.strip()[-300:]}")
    return np.array(json.loads(done.stdout))


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("environment", type=Path, metavar="VENV")
    parser.add_argument("--turns", type=int, default=3)
    args = parser.parse_args()
    frames, truth = list(Media.open(CLIP).frames()), read_truth(CLIP)
    estimator = DigitEstimator.load(device="cpu")
    medians = []
    try:
        for turn in range(args.turns):
            pair = ours(frames, truth.camera, truth.fps, estimator), theirs(args.environment)
            row = [(np.median(t[_WARM_UP:]), t[_WARM_UP:].min()) for t in pair]
            medians.append([median for median, _ in row])
            told = ", ".join(f"median {m:.1f} ms, least {least:.1f} ms" for m, least in row)
            print(f"turn {turn + 1}: ours, MediaPipe: {told}", flush=True)
    except (ValueError, OSError) as error:
        print(f"mediapipe_speed: {error}", file=sys.stderr)
        return 1
    mine, other = np.min(medians, axis=0)
    print(f"best medians: {mine:.1f} and {other:.1f} ms a frame, ratio {mine / other:.2f}")
    machine = platform.processor() or platform.machine()
    print(f"{machine}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
