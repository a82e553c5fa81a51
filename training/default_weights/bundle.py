# SPDX-License-Identifier: Apache-2.0
"""Write the weights file that digit_core ships, from the two training states.

`python -m training.default_weights.bundle --pose STATE --detector STATE` takes the averaged
weights, rounds them to 16 bits and names what they are.
"""

import argparse
import sys
from pathlib import Path

import torch

from digit_core.hand_size import ADULT_HAND_SIZE_M
from digit_core.network.checkpoint import write_safetensors
from digit_core.weights import BUNDLED, DETECTOR, POSE
from training import options as flags


def averaged(state: Path) -> tuple[dict[str, torch.Tensor], int]:
    """Averaged weights of a training state, and how many samples it has seen."""
    saved = torch.load(state / "average.pt", map_location="cpu", weights_only=True)
    return saved["weights"], saved["samples"]


def write_bundle(pose: Path, detector: Path, output: Path) -> None:
    """Join both networks into one safetensors file, floating point as float16."""
    tensors, samples = {}, {}
    for prefix, state in ((POSE, pose), (DETECTOR, detector)):
        weights, samples[prefix] = averaged(state)
        for name, value in weights.items():
            half = value.half() if value.is_floating_point() else value
            tensors[prefix + name] = half.contiguous()
    metadata = {
        "model": "digit-lite",
        "hand_size_m": str(ADULT_HAND_SIZE_M),
        "licence": "Apache-2.0",
        "pose_samples": str(samples[POSE]),
        "detector_samples": str(samples[DETECTOR]),
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    write_safetensors(output, tensors, metadata)


def main(arguments: list[str] | None = None) -> int:
    """Command line; 2 with one sentence where a file is not there or cannot be written."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pose", type=Path, required=True)
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=BUNDLED)
    args = parser.parse_args(arguments)

    def run() -> None:
        write_bundle(args.pose, args.detector, args.output)
        print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB")

    return flags.run_command(run)


if __name__ == "__main__":
    sys.exit(main())
