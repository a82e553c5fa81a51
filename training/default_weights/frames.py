# SPDX-License-Identifier: Apache-2.0
"""Render whole frames with their truth in the form that `benchmarks.photos` reads.

    python -m training.default_weights.frames --output DIR --count 400 --seed 9101
    python -m benchmarks.photos DIR

People kept aside from training as a camera of 640x480 sees them, with camera faults; half of the
frames have no hands in them. Frames in which a hand is half hidden or cut off are left out: whether
it ought to be found is a matter of opinion. Categories end in ", small" where the larger hand's box
is under SMALL_SHARE of the frame's longer side.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from digit_core import boxes
from digit_core.skeleton import SIDES
from training import options as flags
from training.default_weights.targets import hands_in_view
from training.drawing import write_picture
from training.synth.draws import Draws
from training.synth.faults import OF_FRAMES, degrade
from training.synth.pairs import TEST_IDENTITIES, PairOptions, random_pairs
from training.synth.picture import Frames, Pictures, Studio

WIDTH, HEIGHT = 640, 480
SMALL_SHARE = 25 / 256
NO_HANDS = "no hands"
_CHUNK = 20
_PAIRS = PairOptions(0.35, 0.3, 0.1, TEST_IDENTITIES)


def frames(count: int, seed: int) -> Iterator[tuple[np.ndarray, dict]]:
    """Frames RGB (480, 640, 3) uint8 and their entries of labels.json without the image's name."""
    studio, number, made = Studio(backgrounds=300), 0, {True: 0, False: 0}
    while sum(made.values()) < count:
        empty = made[True] <= made[False]
        draws = Draws(seed + 1_000_000 * number)
        number += 1
        pairs = random_pairs(draws, studio.model, _CHUNK, _PAIRS)
        options = Frames(empty=1.0 if empty else 0.0)
        pictures = studio.frames(draws, pairs, WIDTH, HEIGHT, options)
        images = (degrade(draws, pictures.rgb, OF_FRAMES) * 255).round().byte()
        for i, entry in _entries(pictures):
            if sum(made.values()) < count:
                made[empty] += 1
                yield images[i].permute(1, 2, 0).numpy(), entry


def _entries(pictures: Pictures) -> Iterator[tuple[int, dict]]:
    clear, unseen = hands_in_view(pictures)
    told = (clear | unseen | ~pictures.present).all(1)
    for i in torch.nonzero(told)[:, 0].tolist():
        there = [h for h in (0, 1) if pictures.present[i, h] and clear[i, h]]
        hands = [_hand(SIDES[h], pictures.joints_px[i, h].numpy()) for h in there]
        yield i, {"category": _category(hands, bool(pictures.interacting[i])), "hands": hands}


def _hand(side: str, joints: np.ndarray) -> dict:
    box = boxes.tight(joints).round(2).tolist()
    return {"side": side, "bbox": box, "keypoints_2d": joints.round(2).tolist()}


def _category(hands: list[dict], interacting: bool) -> str:
    if not hands:
        return NO_HANDS
    kind = "single" if len(hands) == 1 else "two_interacting" if interacting else "two_separate"
    small = max(max(hand["bbox"][2:]) for hand in hands) < SMALL_SHARE * WIDTH
    return f"{kind}, small" if small else kind


def main(arguments: list[str] | None = None) -> int:
    """Command line; 2 with one sentence where the folder cannot be written."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=9101)
    args = parser.parse_args(arguments)
    return flags.run_command(lambda: write(args.output, args.count, args.seed))


def write(output: Path, count: int, seed: int) -> None:
    """Write frames and labels.json into a folder.

    Raises:
        OSError: they cannot be written.
    """
    output.mkdir(parents=True, exist_ok=True)
    labels = []
    for number, (image, entry) in enumerate(frames(count, seed)):
        name = f"{number:05d}.jpg"
        write_picture(output / name, image, cv2.IMWRITE_JPEG_QUALITY, 95)
        labels.append({"image": name, "width": WIDTH, "height": HEIGHT, **entry})
    (output / "labels.json").write_text(json.dumps(labels), encoding="utf-8")
    print(f"{output}: {len(labels)} frames")


if __name__ == "__main__":
    sys.exit(main())
