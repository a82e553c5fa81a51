# SPDX-License-Identifier: Apache-2.0
"""Full `digit` network on the CPU, one crop, beside the DIGIT release's plain forward.

    python -m benchmarks.network_cpu RELEASE [--rounds 10] [--threads 2] [--json OUT]

Every round runs each way once, so that a machine that slows down slows all of them down; then the
same beside one busy process. Ratios are medians of the rounds' ratios to the release.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.hardware import hardware
from benchmarks.network_gpu import filled, open_release, release_pass, work
from digit_core.decode import pack
from digit_core.device_cut import images_of
from digit_core.runtime import PoseRuntime

CPU = torch.device("cpu")


def ways(release: str) -> dict[str, Callable[[], object]]:
    """What is measured, by name; each ends with joints as numpy."""
    network, patches = filled(CPU), work(1).patches
    images = images_of(torch.from_numpy(patches)).contiguous()
    fp32, bf16 = (PoseRuntime(network, CPU, precision) for precision in ("fp32", "bf16"))
    folded = PoseRuntime(network, CPU, "fp32", engine="torch")

    def plain() -> object:
        with torch.inference_mode():
            return pack(network(images)).numpy()

    return {
        "release": release_pass(open_release(release, CPU), images, torch.float32),
        "ours, plain": plain,
        "ours, torch, folded": lambda: folded(patches),
        "ours, fp32 (default)": lambda: fp32(patches),
        "ours, bf16": lambda: bf16(patches),
    }


def rounds(runs: dict[str, Callable[[], object]], count: int) -> dict[str, np.ndarray]:
    """Milliseconds (count,) of each way, taken in turns after a warm-up."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(count + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if number:
                times[name].append((time.perf_counter() - start) * 1e3)
    return {name: np.array(values) for name, values in times.items()}


def summarise(times: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Median, p90, and how many times as long the release takes."""
    return {
        name: {
            "median_ms": float(np.median(values)),
            "p90_ms": float(np.percentile(values, 90)),
            "times_as_fast": float(np.median(times["release"] / values)),
        }
        for name, values in times.items()
    }


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("release", help="folder of the DIGIT release")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    runs, tables = ways(args.release), {}
    about = {**hardware(CPU), "warm_up_rounds": 1}
    about["wait_policy"] = os.environ.get("OMP_WAIT_POLICY", "default")
    print(about)
    tables["quiet"] = summarise(rounds(runs, args.rounds))
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        tables["beside a busy process"] = summarise(rounds(runs, args.rounds))
    finally:
        busy.kill()
        busy.wait()
    for setting, table in tables.items():
        for name, row in table.items():
            slower = row["median_ms"] / tables["quiet"][name]["median_ms"]
            print(
                f"{setting:22s} {name:22s} {row['median_ms']:7.1f} ms (p90 {row['p90_ms']:.1f}), "
                f"{row['times_as_fast']:.2f} times the release, {slower:.2f} of quiet"
            )
    if args.json:
        args.json.write_text(json.dumps({"hardware": about, **tables}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
