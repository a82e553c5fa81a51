# SPDX-License-Identifier: Apache-2.0
"""Our losses beside the release's, term by term, on batches with all kinds of missing things.

    python -m benchmarks.parity_losses PATH_OF_THE_RELEASE

The release's whole forward pass for training runs, with a network in it that answers what it is
told. Exits with 1 if a term differs by more than 1e-5 of its size (or of 1, if it is smaller).
"""

import argparse
import sys

import torch
from torch import Tensor

from benchmarks import digit_release
from digit_core.network.digit import decode_joints
from digit_core.network.output import DigitOutput
from digit_core.network.soft_argmax import expected_value, heatmap_probabilities
from training.interhand.items import Targets
from training.losses import loss_terms

BOUND = 1e-5
RELEASE_NAMES = {
    "joints": "loss_joint",
    "root_depth": "loss_rel_root_depth",
    "presence": "loss_hand_type",
    "bones": "loss_bone",
    "parts": "loss_segm",
}


class FixedAnswer(torch.nn.Module):
    """Stands for the release's network and answers `answer`."""

    answer: dict

    def forward(self, *_: Tensor) -> dict:
        """The answer, whatever is asked."""
        return self.answer


def make_batch(kind: str, size: int, dtype: torch.dtype, seed: int) -> tuple[Tensor, ...]:
    """Random heatmaps, depth maps and the rest, and targets in which `kind` is missing."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw, dtype=torch.float64).to(dtype)

    def flags(share: float, *shape: int) -> Tensor:
        return (torch.rand(shape, generator=draw) < share).to(dtype)

    valid = flags(0.0 if kind == "no joints" else 0.8, size, 42)
    hands = flags(0.5, size, 2)
    hands[:, 0] = torch.maximum(hands[:, 0], 1 - hands[:, 1])
    if kind == "single hands":
        hands[:, 1] = 1 - hands[:, 0]
    valid = valid * hands.repeat_interleave(21, dim=1)
    targets = Targets(
        joints_25d=32 + 15 * normal(size, 42, 3),
        joint_valid=valid,
        root_depth=32 + 15 * normal(size, 1),
        root_valid=hands.prod(dim=1, keepdim=True) * flags(0.9, size, 1),
        hands=hands,
        hands_valid=flags(0.8, size),
        parts=torch.randint(0, 33, (size, 128, 128), generator=draw),
        parts_valid=flags(0.0 if kind == "no masks" else 0.7, size),
    )
    maps = 5 * normal(size, 42, 64, 64), 32 + 10 * normal(size, 42, 64, 64)
    return *maps, 30 + 9 * normal(size, 1), normal(size, 2), 3 * normal(size, 33, 128, 128), targets


def release_items(targets: Targets) -> tuple[dict, dict]:
    """Targets as the release's data set gives them, and what it tells beside them."""
    count = len(targets.hands)
    wanted = {
        "joint_coord": targets.joints_25d,
        "rel_root_depth": targets.root_depth,
        "hand_type": targets.hands,
        "segm_256": targets.parts[:, None].expand(-1, 3, -1, -1),
        "segm_valid": targets.parts_valid,
    }
    about = {
        "joint_valid": targets.joint_valid,
        "root_valid": targets.root_valid,
        "hand_type_valid": targets.hands_valid,
        "inv_trans": torch.eye(3)[:2].expand(count, 2, 3),
        "focal": torch.full((count, 2), 1300.0),
        "princpt": torch.full((count, 2), 200.0),
        "abs_depth_left": torch.full((count,), 1000.0),
        "abs_depth_right": torch.full((count,), 1000.0),
        "hw_size": (512, 334),
        "flipped": torch.zeros(count, dtype=torch.bool),
    }
    return wanted, about


def release_terms(model: torch.nn.Module, batch: tuple) -> dict[str, Tensor]:
    """The release's loss dictionary for training, each term averaged."""
    heatmaps, depths, root, hands, parts, targets = batch
    probabilities = heatmap_probabilities(heatmaps)
    model.pose_reg.answer = {
        "hm_2d": heatmaps,
        "hm_norm": probabilities,
        "zval": expected_value(probabilities, depths),
        "rel_root_depth_out": root,
        "hand_type": hands,
        "hand_type_sigmoid": hands.sigmoid(),
        "segm_dict": {"segm_logits": parts},
    }
    wanted, about = release_items(targets)
    terms = model({"img": None}, wanted, about, "train")
    return {key: value.mean() for key, value in terms.items()}


def compare(model: torch.nn.Module, batch: tuple) -> dict[str, tuple[float, float]]:
    """By term: the release's value and the difference."""
    heatmaps, depths, root, hands, parts, targets = batch
    output = DigitOutput(heatmaps, decode_joints(heatmaps, depths), root, hands, parts)
    ours, theirs = loss_terms(output, targets), release_terms(model, batch)
    rows = {
        key: (float(theirs[name]), float(getattr(ours, key) - theirs[name]))
        for key, name in RELEASE_NAMES.items()
    }
    total = sum(theirs.values())
    return rows | {"total": (float(total), float(ours.total() - total))}


def main() -> int:
    """Compare, print, and say by the exit status whether all is within the bound."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("release", help="folder of a clone of the DIGIT release")
    arguments = parser.parse_args()
    digit_release.open_release(arguments.release)
    model = digit_release.build_model()
    model.pose_reg = FixedAnswer()
    worst = 0.0
    terms = [*RELEASE_NAMES, "total"]
    print("| batch of 6 | dtype | " + " | ".join(terms) + " |")
    print("| --- " * (len(terms) + 2) + "|")
    for seed, kind in enumerate(("mixed", "single hands", "no joints", "no masks")):
        for dtype in (torch.float32, torch.float64):
            rows = compare(model, make_batch(kind, 6, dtype, seed))
            worst = max(worst, *(abs(d) / max(abs(v), 1.0) for v, d in rows.values()))
            cells = " | ".join(f"{v:.4f}, {d:.1e}" for v, d in rows.values())
            print(f"| {kind} | {str(dtype).removeprefix('torch.')} | {cells} |")
    print("(the release's value, our difference from it)")
    print("within the bound" if worst <= BOUND else "OVER THE BOUND")
    return 0 if worst <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
