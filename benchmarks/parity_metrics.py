# SPDX-License-Identifier: Apache-2.0
"""Our evaluation beside the release's: same predictions, same figures, and how long each takes.

    python -m benchmarks.parity_metrics PATH_OF_THE_RELEASE [--items 10000]

Predictions are made up (20 mm about the truth). Times are seconds of one processor core in this
process, so other work on the machine does not count; ours is the median of ten passes after a
warm-up. Exits with 1 if a figure differs by more than 1e-4.
"""

import argparse
import copy
import platform
import statistics
import sys
import time

import numpy as np
import torch
from torch import Tensor

from benchmarks import digit_release
from training.interhand import cameras, heatmap_space
from training.interhand.joints import BONES, NAMES, WRISTS
from training.metrics import Metrics, Predictions, Truth, evaluate, part_iou

BOUND = 1e-4
TYPES = {(True, False): "right", (False, True): "left", (True, True): "interacting"}


def make_items(count: int, seed: int = 0) -> tuple[Predictions, Truth]:
    """Random hands a metre away, predictions 20 mm off, boxes and cameras of all kinds."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw, dtype=torch.float64)

    hands = torch.tensor(list(TYPES))[torch.arange(count) % 3]
    joints = 50 * normal(count, 42, 3) + torch.tensor([0.0, 0.0, 1000.0])
    joints[:, 21:, 0] += 80
    valid = heatmap_space.per_joint(hands) & (torch.rand((count, 42), generator=draw) < 0.95)
    valid &= heatmap_space.per_joint(valid[:, WRISTS])
    focal, center = 1300 + 100 * normal(count, 2), 200 + 20 * normal(count, 2)
    turn = 1.2 * torch.eye(2) + 0.2 * normal(count, 2, 2)
    to_picture = torch.cat((turn, 30 * normal(count, 2, 1)), dim=2)
    truth = Truth(
        joints_camera=joints,
        joint_valid=valid,
        hands=hands,
        hands_valid=torch.rand(count, generator=draw) < 0.9,
        focal=focal,
        center=center,
        wrist_depth=joints[:, WRISTS, 2] + 15 * normal(count, 2),
    )
    pixels = cameras.camera_to_pixel(joints + 20 * normal(count, 42, 3), focal, center)
    inverse = torch.linalg.inv(turn)
    patch = (pixels[..., :2] - to_picture[:, None, :, 2]) @ inverse.transpose(1, 2)
    cells = heatmap_space.to_cells(torch.cat((patch, pixels[..., 2:]), dim=-1))
    root = pixels[:, WRISTS[1], 2] - pixels[:, WRISTS[0], 2]
    predictions = Predictions(
        joints_25d=cells,
        root_depth=heatmap_space.depth_to_cells(root)[:, None],
        hand_probability=(0.5 + 0.6 * (hands.double() - 0.5) + 0.15 * normal(count, 2)).clamp(0, 1),
        to_picture=to_picture,
    )
    predictions.hand_probability[::50, 0] = 0.5  # neither there nor not there
    return predictions, truth


def release_inputs(predictions: Predictions, truth: Truth) -> tuple[dict, list[dict]]:
    """The same items as the release keeps them: arrays of predictions, a dictionary per item."""
    values = [value.numpy() for value in truth]
    data = []
    for joints, valid, hands, known, focal, center, depth in zip(*values, strict=True):
        data.append(
            {
                "cam_param": {"focal": focal, "princpt": center},
                "img_path": "",
                "joint": {"cam_coord": joints, "valid": valid.astype(np.float32)},
                "hand_type": TYPES[tuple(hands.tolist())],
                "hand_type_valid": np.float32(known),
                "abs_depth": {"right": depth[0], "left": depth[1]},
            }
        )
    preds = {
        "joint_coord": predictions.joints_25d.numpy(),
        # Without its last axis: an array of one in place of a number raises in numpy 2.4.
        "rel_root_depth": predictions.root_depth[:, 0].numpy(),
        "hand_type": predictions.hand_probability.numpy(),
        "inv_trans": predictions.to_picture.numpy(),
        "idx": np.arange(len(data)),
    }
    return preds, data


def run_release(predictions: Predictions, truth: Truth) -> tuple[dict, np.ndarray, float]:
    """The release's figures, its (M, 20) bone differences, and the seconds of `evaluate`."""
    from src.utils import eval_utils

    preds, data = release_inputs(predictions, truth)
    skeleton = [
        {"name": name, "parent_id": int(parent)}
        for name, parent in zip(NAMES, _parents(), strict=True)
    ]
    joint_type = {"right": np.arange(21), "left": np.arange(21, 42)}
    roots = {"right": WRISTS[0], "left": WRISTS[1]}
    start = time.process_time()
    figures, out = eval_utils.evaluate(
        digit_release.settings(), copy.deepcopy(preds), data, 21, roots, joint_type, skeleton, False
    )
    seconds = time.process_time() - start
    bone = eval_utils.skeleton_to_bone_dict(skeleton)
    lists: list[list[float]] = [[] for _ in range(20)]
    for points, item in zip(out["pred_joint_cam"], data, strict=True):
        if item["hand_type"] == "interacting":
            eval_utils.update_bone_metrics(
                points, lists, bone["left_bone_idx"], bone["right_bone_idx"]
            )
    return figures, np.array(lists).T, seconds


def compare(ours: Metrics, figures: dict, bones: np.ndarray) -> dict[str, float]:
    """Largest difference by group of figures."""
    found = ours.as_dict()
    groups = {
        "MPJPE single, interacting, all [mm]": ["mpjpe_sh", "mpjpe_ih", "mpjpe_all"],
        "MPJPE per joint, 126 figures [mm]": [
            f"{n}_{k}" for n in NAMES for k in ("sh", "ih", "all")
        ],
        "MRRPE [mm]": ["mrrpe"],
        "handedness accuracy": ["handness_acc"],
    }
    assert set(found) == set(figures), "the release reports other figures"
    rows = {g: max(abs(found[k] - float(figures[k])) for k in keys) for g, keys in groups.items()}
    rows["bone lengths, 20 figures [mm]"] = float(
        np.abs(ours.bone_difference.numpy() - bones.mean(0)).max()
    )
    return rows


def iou(count: int = 40) -> float:
    """Largest difference of the part IoU over random maps and tolerances."""
    from elytra.metric_utils import segm_iou

    draw = torch.Generator().manual_seed(2)
    truth = torch.randint(0, 33, (count, 16, 16), generator=draw).repeat_interleave(8, 1)
    truth = truth.repeat_interleave(8, 2) * (torch.arange(count) % 4 > 0).view(-1, 1, 1)
    parts = torch.where(torch.rand(truth.shape, generator=draw) < 0.7, truth, truth.flip(1))
    worst = 0.0
    for tolerance in (0, 1, 400):
        ours = part_iou(parts, truth, 33, tolerance)
        wanted = [segm_iou(a, b, 33, tolerance) for a, b in zip(parts, truth, strict=True)]
        theirs = torch.tensor(wanted, dtype=torch.float64)
        assert torch.equal(ours.isnan(), theirs.isnan())
        worst = max(worst, float((ours - theirs).nan_to_num().abs().max()))
    return worst


def _parents() -> list[int]:
    parents = dict(BONES.reshape(-1, 2).tolist())
    return [parents.get(joint, -1) for joint in range(len(NAMES))]


def compare_dtype(
    predictions: Predictions, truth: Truth, dtype: torch.dtype
) -> tuple[dict[str, float], float]:
    """Differences with all numbers rounded to `dtype` first, and the release's seconds."""

    def rounded(value: Tensor) -> Tensor:
        return value.to(dtype) if value.is_floating_point() else value

    predictions, truth = Predictions(*map(rounded, predictions)), Truth(*map(rounded, truth))
    figures, bones, seconds = run_release(predictions, truth)
    return compare(evaluate(predictions, truth), figures, bones), seconds


def time_ours(predictions: Predictions, truth: Truth) -> list[float]:
    """Seconds of ten passes after one to warm up."""
    evaluate(predictions, truth)
    seconds = []
    for _ in range(10):
        start = time.process_time()
        evaluate(predictions, truth)
        seconds.append(time.process_time() - start)
    return seconds


def main() -> int:
    """Compare, print, and say by the exit status whether all is within the bound."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("release", help="folder of a clone of the DIGIT release")
    parser.add_argument("--items", type=int, default=10_000)
    arguments = parser.parse_args()
    digit_release.open_release(arguments.release)
    torch.set_num_threads(1)
    predictions, truth = make_items(arguments.items)
    rows, seconds = compare_dtype(predictions, truth, torch.float64)
    single, _ = compare_dtype(predictions, truth, torch.float32)
    rows["part IoU, 40 maps, 3 tolerances"] = single["part IoU, 40 maps, 3 tolerances"] = iou()
    mean = evaluate(predictions, truth).as_dict()["mpjpe_all"]
    print(f"{arguments.items} items; mpjpe_all {mean:.3f} mm. Largest differences:\n")
    print("| figure | all in float64 | files in float32 |\n| --- | --- | --- |")
    for key, value in rows.items():
        print(f"| {key} | {value:.3g} | {single[key]:.3g} |")
    ours_s = time_ours(predictions, truth)
    median = statistics.median(ours_s)
    print(
        f"\nrelease {seconds:.2f} s; ours {median:.4f} s (median of 10, {min(ours_s):.4f} to",
        end="",
    )
    print(f" {max(ours_s):.4f}); {seconds / median:.0f} times; {platform.machine()} CPU")
    good = max(*rows.values(), *single.values()) <= BOUND
    print("within the bound" if good else "OVER THE BOUND")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
