# SPDX-License-Identifier: Apache-2.0
"""How often hands are lost or exchanged while they come together, cross and part.

    python -m benchmarks.crossings [--people 5] [--seed 88000] [--json OUT]

Renders the bundled clip's choreography (`training.synth.clip`) with other people kept aside, other
poses, skins and lights of skin, and follows each of them with a tracker. Per 1,000 frames and hand,
printed for each person and for all: frames in which the hand is not told though its joints are in
the picture (hidden behind the other hand or not), frames in which the joints told lie nearer to the
other hand's truth, and how often a hand changes from the one to the other.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from benchmarks.clip import Truth
from digit_core import Camera, DigitEstimator, TwoHands
from digit_core.skeleton import SIDES
from training.synth.clip import render_clip


def rates(results: list[TwoHands], truth: Truth) -> dict[str, float]:
    """Counts of one sequence over both hands, and of how many hand frames they are."""
    dropped = exchanged = changes = 0
    for i, side in enumerate(SIDES):
        wrong_before = False
        for hands, joints in zip(results, truth.joints_2d, strict=True):
            hand = getattr(hands, side)
            if hand is None:
                dropped += 1
                continue
            own, other = (
                float(np.linalg.norm(hand.joints_2d - joints[k], axis=1).mean()) for k in (i, 1 - i)
            )
            wrong = other < own
            exchanged += wrong
            changes += wrong != wrong_before
            wrong_before = wrong
    return {
        "hand_frames": len(SIDES) * len(results),
        "dropped": dropped,
        "exchanged": exchanged,
        "changes": changes,
    }


def follow_person(estimator: DigitEstimator, seed: int) -> dict[str, float]:
    """Render and follow one person; every joint of the choreography is inside the picture."""
    frames, arrays, lens = render_clip(seed)
    focal, (cx, cy) = float(lens.focal[0]), lens.centre[0].tolist()
    camera = Camera(focal, focal, cx, cy, frames[0].shape[1], frames[0].shape[0])
    fps = float(arrays["fps"])
    truth = Truth(
        arrays["joints_px"], arrays["joints_cam_m"], float(arrays["hand_size_m"]), fps, camera
    )
    track = estimator.tracker()
    results = [track(frame, camera, k / fps) for k, frame in enumerate(frames)]
    return rates(results, truth)


def _line(name: str, counts: dict[str, float]) -> str:
    per_1000 = {k: 1000 * counts[k] / counts["hand_frames"] for k in counts if k != "hand_frames"}
    told = ", ".join(f"{kind} {value:.1f}" for kind, value in per_1000.items())
    return f"{name}: of 1,000 hand frames {told}"


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--people", type=int, default=5)
    parser.add_argument("--seed", type=int, default=88_000)
    parser.add_argument("--weights", type=Path, help="default: the bundled ones")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts there")
    args = parser.parse_args()
    estimator = DigitEstimator.load(args.weights)
    people = []
    for seed in range(args.seed, args.seed + args.people):
        people.append(follow_person(estimator, seed))
        print(_line(f"person {seed}", people[-1]), flush=True)
    whole = {kind: sum(counts[kind] for counts in people) for kind in people[0]}
    print(_line("all", whole))
    if args.json:
        args.json.write_text(json.dumps({"people": people, "all": whole}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
