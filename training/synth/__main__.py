# SPDX-License-Identifier: Apache-2.0
"""Render a two-hand data set in InterHand2.6M's layout.

    python -m training.synth --output data/Rendered --train 20000 --val 1000 --test 1000
    python -m training.train --data_root data/Rendered --trainsplit train --valsplit val ...

Validation and test pictures show identities that training never sees. The same arguments give the
same pictures on the same device.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from tqdm import tqdm

from training import options as flags
from training.interhand.subsets import SPLITS
from training.synth.draws import Draws
from training.synth.layout import Drawn, write_split
from training.synth.pairs import (
    TEST_IDENTITIES,
    TRAINED_IDENTITIES,
    PairOptions,
    random_pairs,
)
from training.synth.picture import CloseUps, Pictures, Studio

SIZE_PX = 256
BATCH = 32
SINGLE = 0.35
#: InterHand2.6M's files know no lens distortion.
CLOSE_UPS = CloseUps(margin=(1.4, 2.0), one_of_two=0.0, distorted=0.0)


def render(
    studio: Studio, count: int, seed: int, identities: range, single: float = SINGLE
) -> Iterator[Drawn]:
    """`count` pictures; of those with two hands a third touches or nearly does, a third clasps.

    Args:
        studio: draws them.
        count: how many.
        seed: decides which.
        identities: whose hands.
        single: share of pictures with one hand.
    """
    options = PairOptions(single, 0.35, 0.30, identities)
    for start in range(0, count, BATCH):
        draws, size = Draws(seed * 1_000_003 + start, studio.device), min(BATCH, count - start)
        pairs = random_pairs(draws, studio.model, size, options)
        yield from _one_by_one(studio.close_ups(draws, pairs, SIZE_PX, CLOSE_UPS))


def _one_by_one(pictures: Pictures) -> Iterator[Drawn]:
    n = len(pictures.rgb)
    k = torch.eye(3, dtype=torch.float64).repeat(n, 1, 1)
    focal = pictures.camera.focal.cpu().double()
    k[:, [0, 1], [0, 1]] = focal.reshape(n, -1).expand(n, 2)
    k[:, :2, 2] = pictures.camera.centre.cpu().double()
    columns = (pictures.rgb, pictures.labels, pictures.joints_cam_m, pictures.joints_px)
    arrays = [column.cpu().numpy() for column in columns]
    there = in_picture(pictures.present, pictures.joints_px).cpu().numpy()
    for i in range(n):
        rgb, labels, joints_cam_m, joints_px = (array[i] for array in arrays)
        yield Drawn(rgb, labels, joints_cam_m, joints_px, there[i], k[i].numpy())


def in_picture(present: torch.Tensor, joints_px: torch.Tensor) -> torch.Tensor:
    """(n, 2) which hands count: those with at least half of their joints in the picture.

    The second hand of a pair may lie far away; no data set annotates what no picture shows.

    Args:
        present: (n, 2) bool.
        joints_px: (n, 2, 21, 2).
    """
    inside = ((joints_px >= 0) & (joints_px < SIZE_PX)).all(dim=3).float().mean(dim=2)
    return present & (inside >= 0.5)


def main(arguments: list[str] | None = None) -> int:
    """Render the splits that were asked for; 2 with one sentence where they cannot be written."""
    parser = argparse.ArgumentParser(
        prog="python -m training.synth",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    for split in SPLITS:
        parser.add_argument(f"--{split}", type=int, default=0, help="pictures (default: none)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--single",
        type=float,
        default=SINGLE,
        metavar="SHARE",
        help="pictures with one hand (default: %(default)s); 1 for a first stage of training",
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    o = parser.parse_args(arguments)
    counts = {split: getattr(o, split) for split in SPLITS}
    if not any(counts.values()):
        parser.error("give --train, --val or --test with a number of pictures")
    if not 0.0 <= o.single <= 1.0:
        parser.error(f"--single {o.single:g}: a share from 0 to 1 is wanted")
    return flags.run_command(lambda: write(o, counts))


def write(o: argparse.Namespace, counts: dict[str, int]) -> None:
    """Render and write splits of so many pictures."""
    studio = Studio(o.device)
    for number, (split, count) in enumerate(counts.items()):
        if count < 1:
            continue
        seed = len(SPLITS) * o.seed + number
        identities = TRAINED_IDENTITIES if split == "train" else TEST_IDENTITIES
        drawn = render(studio, count, seed, identities, o.single)
        with tqdm(drawn, desc=split, total=count, unit="picture") as shown:
            written = write_split(o.output, split, shown, o.seed)
        print(f"{split}: {written} pictures in {o.output}")


if __name__ == "__main__":
    sys.exit(main())
