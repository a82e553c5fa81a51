# SPDX-License-Identifier: Apache-2.0
"""Pictures a second that `training.synth` renders, for a data set and for training's streams.

    python -m benchmarks.render_rate [--device cuda] [--rounds 5] [--json OUT]

Batches stay on the device; nothing is written. The first batch warms up (on CUDA it compiles the
rasteriser) and does not count.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.hardware import hardware
from training.default_weights.stream import Stream
from training.synth.__main__ import BATCH, CLOSE_UPS, SINGLE, SIZE_PX
from training.synth.draws import Draws
from training.synth.pairs import TRAINED_IDENTITIES, PairOptions, random_pairs
from training.synth.picture import Studio

POOL = 256  # pairs of hands that a stream draws from; making them is not timed


def of_data_set(device: str, batch: int) -> Callable[[int], object]:
    """`python -m training.synth` without its files."""
    studio, options = Studio(device), PairOptions(SINGLE, 0.35, 0.30, TRAINED_IDENTITIES)

    def render(number: int) -> object:
        draws = Draws(number, studio.device)
        return studio.close_ups(draws, random_pairs(draws, studio.model, batch, options), SIZE_PX,
                                CLOSE_UPS)  # fmt: skip

    return render


def of_stream(part: str, device: str, batch: int) -> Callable[[int], object]:
    """What the default weights are trained on; half of a batch are mirror images."""
    stream = Stream(part, device, seed=1, pool=POOL)
    first = 10**6  # after the stage of single hands
    return lambda number: stream.batch(first + number * batch, batch)


def rate(render: Callable[[int], object], rounds: int, batch: int, device: str) -> dict:
    """Median and best of some batches."""
    seconds = []
    for number in range(rounds + 1):
        start = time.perf_counter()
        render(number)
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    counted = seconds[1:]
    return {"median": batch / float(np.median(counted)), "best": batch / min(counted)}


def main() -> None:
    """Print a line for each kind, write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    o = parser.parse_args()
    about = hardware(torch.device(o.device)) | {"batch": o.batch, "warm_up_batches": 1}
    print(about, flush=True)
    kinds = {
        "data set, 256x256": of_data_set(o.device, o.batch),
        "stream of crops, 224x224": of_stream("pose", o.device, o.batch),
        "stream of windows and frames, 256x256": of_stream("detector", o.device, o.batch),
    }
    rates = {name: rate(render, o.rounds, o.batch, o.device) for name, render in kinds.items()}
    for name, found in rates.items():
        print(f"{name}: {found['median']:.1f} pictures/s (best {found['best']:.1f})")
    if o.json:
        o.json.write_text(json.dumps({"hardware": about, "rates": rates}, indent=1))


if __name__ == "__main__":
    main()
