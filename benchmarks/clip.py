# SPDX-License-Identifier: Apache-2.0
"""Follow the hands of the bundled clip and hold them against its truth.

`python -m benchmarks.clip [--weights W] [--hand-size M]` prints, for each hand: frames in which it
was found, frames in which its joints lie nearer to the other hand's truth (sides exchanged), the
median 2D error as a share of the hand's box, the root-relative error (median and mean) and the
wrist's error in millimetres, the movement from frame to frame that the truth does not have, and the
time a frame.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from digit_core import Camera, DigitEstimator, TwoHands
from digit_core.media import Media
from digit_core.skeleton import SIDES

CLIP = Path(__file__).resolve().parents[1] / "clips" / "two_hands.mp4"


@dataclass(frozen=True)
class Truth:
    """What the clip's renderer knows; the second axis is right, left; public joint order.

    Attributes:
        joints_2d: (N, 2, 21, 2) pixels.
        joints_3d: (N, 2, 21, 3) metres in the camera frame.
        hand_size_m: wrist to middle fingertip along the bones.
        fps: frames a second.
        camera: intrinsics.
    """

    joints_2d: np.ndarray
    joints_3d: np.ndarray
    hand_size_m: float
    fps: float
    camera: Camera


def read_truth(clip: Path) -> Truth:
    """Read the truth that lies beside a clip."""
    with np.load(clip.with_name(clip.stem + "_truth.npz")) as data:
        joints_2d, joints_3d = data["joints_px"], data["joints_cam_m"]
        size, fps = float(data["hand_size_m"]), float(data["fps"])
    camera = Camera(**json.loads(clip.with_suffix(".json").read_text()))
    return Truth(joints_2d, joints_3d, size, fps, camera)


def follow(clip: Path, truth: Truth, estimator: DigitEstimator) -> list[TwoHands]:
    """Run a tracker over the clip."""
    track = estimator.tracker()
    return [
        track(image, truth.camera, i / truth.fps)
        for i, image in enumerate(Media.open(clip).frames())
    ]


def measure(results: list[TwoHands], truth: Truth) -> dict[str, dict[str, float]]:
    """Figures of each side; see the module's docstring for their names' meanings."""
    return {side: _measure_side(results, truth, i) for i, side in enumerate(SIDES)}


def _measure_side(results: list[TwoHands], truth: Truth, i: int) -> dict[str, float]:
    seen = [k for k, hands in enumerate(results) if getattr(hands, SIDES[i])]
    if not seen:
        return {"found": 0.0}
    hands = [getattr(results[k], SIDES[i]) for k in seen]
    pixels = np.stack([hand.joints_2d for hand in hands])
    own, other = truth.joints_2d[seen, i], truth.joints_2d[seen, 1 - i]
    error, crossed = (np.linalg.norm(pixels - t, axis=2) for t in (own, other))
    box = np.ptp(own, axis=1).max(axis=1)
    joints = truth.joints_3d[seen, i]
    relative = np.stack([hand.joints_relative for hand in hands]) - (joints - joints[:, :1])
    wrist = [h.joints_3d[0] if h.joints_3d is not None else np.full(3, np.nan) for h in hands]
    return {
        "found": len(seen) / len(results),
        "sides_exchanged": float((np.nanmean(crossed, 1) < np.nanmean(error, 1)).mean()),
        "median_2d_of_box": float(np.nanmedian(error / box[:, None])),
        "pck_0.2": float((error <= 0.2 * box[:, None]).mean()),
        "relative_mm": float(np.nanmedian(np.linalg.norm(relative, axis=2)) * 1e3),
        "mean_relative_mm": float(np.nanmean(np.linalg.norm(relative, axis=2)) * 1e3),
        "wrist_mm": float(np.nanmedian(np.linalg.norm(wrist - joints[:, 0], axis=1)) * 1e3),
        "jitter_px": float(np.nanmedian(np.linalg.norm(np.diff(pixels - own, axis=0), axis=2))),
        "ms_a_frame": float(np.median([r.timings_ms.get("total", np.nan) for r in results])),
    }


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", type=Path, help="default: the bundled ones")
    parser.add_argument("--device")
    parser.add_argument("--hand-size", type=float, metavar="M", help="0 for the clip's true one")
    args = parser.parse_args()
    truth = read_truth(CLIP)
    size = truth.hand_size_m if args.hand_size == 0 else args.hand_size
    try:
        estimator = DigitEstimator.load(args.weights, args.device, size)
    except ValueError as error:
        print(f"clip: {error}", file=sys.stderr)
        return 1
    for side, figures in measure(follow(CLIP, truth, estimator), truth).items():
        print(f"{side}: " + ", ".join(f"{name} {value:.3f}" for name, value in figures.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
