# SPDX-License-Identifier: Apache-2.0
"""Pictures of what a network says about InterHand2.6M, beside the truth.

    python -m training.demo --eval_on minival --load_from saved_models/db7cba8c1.pt

Each picture: input, part map, heatmap peaks, 2D skeleton, 3D skeleton from two sides; prediction
above, truth below.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from digit_core import load_model
from training import drawing
from training import options as flags
from training.interhand.dataset import InterHand, network_input


def parser() -> argparse.ArgumentParser:
    """The release's flags and ours."""
    p = argparse.ArgumentParser(
        prog="python -m training.demo",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--eval_on", choices=flags.EVALUATED, required=True, help="split or subset")
    p.add_argument("--count", type=flags.positive, default=16, help="pictures (%(default)s)")
    p.add_argument("--output", type=Path, default=Path("visualization"), metavar="DIR")
    flags.add_weights_options(p)
    flags.add_data_options(p)
    flags.add_machine_options(p)
    return p


def run(o: argparse.Namespace) -> None:
    """Draw a random choice of the subset.

    Raises:
        DataError, CheckpointError: data or weights cannot be used.
    """
    device = f"cuda:{o.gpu_ids[0]}" if torch.cuda.is_available() else "cpu"
    model = load_model(flags.weights_of(o), device)
    data = InterHand(o.data_root, o.eval_on, o.trans_test if o.trans_test == "rootnet" else "gt")
    chosen = np.random.default_rng(o.seed).permutation(len(data))[: o.count]
    o.output.mkdir(parents=True, exist_ok=True)
    for index in tqdm(sorted(int(i) for i in chosen), unit="picture"):
        batch = data[index]
        with torch.no_grad():
            output = model(network_input(batch).to(device))
        rows = drawing.prediction_and_truth(batch, output, 0)
        name = data.key(index).replace("/", "_").rsplit(".", 1)[0]
        path = o.output / f"{name}.png"
        drawing.write_picture(path, drawing.draw_item(drawing.patch_of(batch, 0), rows))
    print(f"{len(chosen)} pictures in {o.output}")


def main(arguments: list[str] | None = None) -> int:
    """Draw; 2 with one sentence where data or weights cannot be used."""
    o = parser().parse_args(arguments)
    return flags.run_command(lambda: run(o))


if __name__ == "__main__":
    sys.exit(main())
