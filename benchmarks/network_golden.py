# SPDX-License-Identifier: Apache-2.0
"""Golden numbers of the DIGIT network, computed by the project in float64.

    python -m benchmarks.network_golden     writes test/digit_core/network/network_golden.json anew

Recipe: fill `Digit` by rule, calibrate it on image "b" at 128 pixels, look at image "a", keep
every so-manieth number. `benchmarks/parity_digit.py` holds the same filling beside the release.
"""

import json
from pathlib import Path

import torch

from benchmarks.network_filling import calibrate, fill, image
from digit_core.network import build_model

FILE = Path(__file__).parents[1] / "test" / "digit_core" / "network" / "network_golden.json"


def golden_model() -> torch.nn.Module:
    """The filled network, float64, eval mode."""
    return calibrate(fill(build_model("digit").double()), image("b", 128))


def summarise(output) -> dict[str, torch.Tensor]:
    """A few hundred numbers out of one image's `DigitOutput`."""
    return {
        "heatmaps": output.heatmaps[0, ::6, 3::17, 5::17],
        "joints_25d": output.joints_25d[0],
        "root_depth": output.root_depth[0],
        "hand_logits": output.hand_logits[0],
        "part_logits": output.part_logits[0, ::8, 7::33, 9::33],
    }


@torch.no_grad()
def main() -> None:
    """Write the file."""
    numbers = summarise(golden_model()(image("a")))
    lines = [f'"{key}": {json.dumps(value.tolist())}' for key, value in numbers.items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
