# SPDX-License-Identifier: Apache-2.0
"""Measure a training state of the pose network on renders that were kept aside.

`python -m training.default_weights.evaluate --state P.pt --count 500` renders the pictures by seed
(identities that are never trained on) and prints, with the box and nothing else given: 2D error as
a share of the hand's box, PCK@0.2, root-relative error of a hand of known size, presence.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from digit_core.network.lite import DigitLite
from training.default_weights.bundle import averaged
from training.default_weights.crops import DEPTH_RANGE_M, CropOptions, draw_crop
from training.synth.scene import SceneOptions
from training.synth.shards import draw

TEST_SEED = 9_001
_OPTIONS = SceneOptions(
    single=0.35, interacting=0.68, distance_m=(0.25, 1.2), identities=range(360, 400)
)


def crops(count: int, size: int):
    """The fixed test crops: pictures by seed, box jittered, no camera faults."""
    for i in range(count):
        p = draw("close-up", TEST_SEED, i, _OPTIONS)
        truth = {
            k: getattr(p, k)
            for k in ("joints_cam_m", "joints_px", "size_m", "focus", "interacting")
        }
        rng = np.random.default_rng([TEST_SEED, i])
        yield (
            draw_crop(p.rgb, p.labels, truth, CropOptions(size, degrade=False), rng),
            p.interacting,
        )


@torch.inference_mode()
def measure(net: DigitLite, count: int, size: int) -> dict[str, float]:
    """Figures over `count` pictures; see the module's docstring."""
    rows = []
    for sample, interacting in crops(count, size):
        image = torch.from_numpy(sample["image"]).permute(2, 0, 1)[None].float() / 255
        output = net(image)
        joints = output.joints_25d[0].numpy()
        xy = (joints[:, :2] + 0.125) / (size / 4)
        depth = joints[:, 2] / 32 - 1
        presence = output.hand_logits[0].sigmoid().numpy()
        for hand in np.flatnonzero(sample["hands"] > 0.5):
            s = slice(21 * hand, 21 * hand + 21)
            valid = sample["valid"][s]
            truth = sample["joints"][s]
            extent = np.ptp(truth[valid, :2], axis=0).max()
            error = np.linalg.norm(xy[s] - truth[:, :2], axis=1)[valid] / extent
            rows.append(
                (
                    error.mean(),
                    (error < 0.2).mean(),
                    1000 * DEPTH_RANGE_M * np.abs(depth[s] - truth[:, 2])[valid].mean(),
                    presence[hand] > 0.5,
                    interacting,
                )
            )
        for hand in np.flatnonzero((sample["hands"] < 0.5) & sample["hands_known"]):
            rows.append((np.nan, np.nan, np.nan, presence[hand] < 0.5, interacting))
    table = np.array(rows, float)
    out = {}
    for name, keep in (("single", table[:, 4] < 0.5), ("interacting", table[:, 4] > 0.5)):
        part = table[keep]
        out |= {
            f"{name} median 2D, % of box": 100 * np.nanmedian(part[:, 0]),
            f"{name} PCK@0.2": np.nanmean(part[:, 1]),
            f"{name} depth, mm": np.nanmean(part[:, 2]),
            f"{name} presence right": part[:, 3].mean(),
        }
    return out


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--size", type=int, default=256)
    args = parser.parse_args()
    weights, samples = averaged(args.state)
    net = DigitLite()
    net.load_state_dict(weights)
    print(f"{args.state}: {samples} samples, {args.count} renders, crops of {args.size} pixels")
    for name, value in measure(net.eval(), args.count, args.size).items():
        print(f"  {name:32s} {value:.3f}")


if __name__ == "__main__":
    main()
