# SPDX-License-Identifier: Apache-2.0
"""Make the bundled weights from nothing: `python -m training.default_weights --work FOLDER`.

Trains both networks on our own renders, with `--photos` on real pictures too, joins them, and fits
their confidences. The same command goes on where it was stopped. With `--legs 4` the averaged
weights of each quarter of the way stay as FOLDER/leg_N.safetensors, for a curve of score against
samples.
"""

import argparse
import shutil
import sys
import time
from functools import cache
from pathlib import Path

import torch

from digit_core.network.checkpoint import CheckpointError
from training.default_weights.bundle import write_bundle
from training.default_weights.calibrate import CROPS, FRAMES, calibrate, fitting_half
from training.default_weights.photos import read_photos
from training.default_weights.train import (
    Run,
    add_course_options,
    add_stream_options,
    make_stream,
    train,
)
from training.interhand.errors import DataError

RESULT = "digit_lite.safetensors"


def leg_path(work: Path, leg: int) -> Path:
    """The weights after a leg, legs counted from 1."""
    return work / f"leg_{leg}.safetensors"


def train_both(o: argparse.Namespace) -> bool:
    """Leg by leg, both networks in each; False where the minutes ended it earlier."""
    samples = {"pose": o.pose_samples, "detector": o.detector_samples}
    end = time.monotonic() + 60 * o.minutes
    runs = {part: Run(part, o.work / part, o.device, o.start_from, o.rate) for part in samples}
    stream = cache(lambda part: make_stream(part, o))
    for leg in range(1, o.legs + 1):
        for part, run in runs.items():
            until, left = samples[part] * leg // o.legs, (end - time.monotonic()) / 60
            if run.samples < until and left > 0:
                print(f"leg {leg}, {part}: from {run.samples} to {until} samples", flush=True)
                train(
                    run,
                    stream(part),
                    samples[part],
                    o.batch,
                    o.steps_a_render,
                    left,
                    until=until,
                    coarse=o.coarse,
                )
            if run.samples < until:
                print(f"time is over at {run.samples} samples; the same command goes on from here")
                return False
        if not leg_path(o.work, leg).exists():
            write_bundle(o.work / "pose", o.work / "detector", leg_path(o.work, leg))
    return True


def main(arguments: list[str] | None = None) -> int:
    """Command line; 1 where confidences cannot be fitted, 2 where the folder cannot be written."""
    parser = argparse.ArgumentParser(
        prog="python -m training.default_weights",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--work", type=Path, required=True, help="folder of states and weights")
    parser.add_argument("--pose-samples", type=int, default=2_000_000)
    parser.add_argument("--detector-samples", type=int, default=1_000_000)
    parser.add_argument("--legs", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long")
    add_stream_options(parser)
    add_course_options(parser)
    parser.add_argument("--crops", type=int, default=CROPS, help="for the confidences")
    parser.add_argument("--frames", type=int, default=FRAMES, help="for the confidences")
    o = parser.parse_args(arguments)
    if min(o.pose_samples, o.detector_samples, o.legs, o.batch, o.steps_a_render, o.pool) < 1:
        parser.error("samples, legs, batch, steps and pool are at least 1")
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    try:
        o.work.mkdir(parents=True, exist_ok=True)
        return make(o)
    except (OSError, DataError, CheckpointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def make(o: argparse.Namespace) -> int:
    """Train, join, fit; 1 where the confidences cannot be fitted."""
    if not train_both(o):
        return 0
    result = o.work / RESULT
    shutil.copyfile(leg_path(o.work, o.legs), result)
    try:
        photos = fitting_half(read_photos(o.photos, "val")) if o.photos else []
        print(f"{result}: {calibrate(result, o.crops, o.frames, photos)}")
    except ValueError as error:
        print(f"{result} is written, its confidences are not fitted: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
