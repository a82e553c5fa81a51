# SPDX-License-Identifier: Apache-2.0
"""Figures: what each counts, and golden numbers computed by the project.

The golden items are `made_items` below (numbers by rule); `benchmarks/parity_metrics.py` holds
the same functions beside the release.
"""

import math

import pytest
import torch

from benchmarks.network_filling import uniform
from training.interhand import cameras, heatmap_space
from training.metrics import Predictions, Truth, evaluate, part_iou

RIGHT, LEFT, BOTH = (True, False), (False, True), (True, True)
GOLDEN = {
    "mpjpe_sh": 25.58970544375272,
    "mpjpe_ih": 28.54601988674614,
    "mpjpe_all": 27.06786266524943,
    "mrrpe": 38.319514352307735,
    "handness_acc": 0.8333333333333334,
    "r_thumb4_sh": 27.147093889996306,
    "l_index3_ih": 34.86059959806563,
    "r_pinky1_all": 19.150477932286414,
    "bones": 58.800843245273214,
}


def rule(name, *shape):
    return torch.from_numpy(uniform(name, shape))


def made_items(kinds, error_mm=0.0):
    """Items whose predictions are off by up to `error_mm` on each axis."""
    count = len(kinds)
    hands = torch.tensor(kinds)
    joints = 90 * rule("joints", count, 42, 3) + torch.tensor([0.0, 0.0, 1000.0])
    focal, center = 1300 + 50 * rule("focal", count, 2), 200 + 20 * rule("center", count, 2)
    found = joints + error_mm * rule("error", count, 42, 3)
    pixels = cameras.camera_to_pixel(found, focal, center)
    wrists = pixels[:, [20, 41], 2]
    # The map from patch to picture is the identity.
    maps = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]], dtype=torch.float64)
    predictions = Predictions(
        joints_25d=heatmap_space.to_cells(pixels),
        root_depth=heatmap_space.depth_to_cells(wrists[:, 1:] - wrists[:, :1]),
        hand_probability=0.1 + 0.8 * hands.double(),
        to_picture=maps.expand(count, 2, 3),
    )
    truth = Truth(
        joints_camera=joints,
        joint_valid=heatmap_space.per_joint(hands),
        hands=hands,
        hands_valid=torch.ones(count, dtype=torch.bool),
        focal=focal,
        center=center,
        wrist_depth=wrists.clone(),
    )
    return predictions, truth


KINDS = [RIGHT, LEFT, BOTH, BOTH, RIGHT, LEFT]


def test_golden_numbers():
    predictions, truth = made_items(KINDS, error_mm=20.0)
    truth.wrist_depth.add_(10 * rule("depth", 6, 2))
    predictions.hand_probability[1, 0] = 0.6
    metrics = evaluate(predictions, truth)
    figures = metrics.as_dict()
    found = {key: figures[key] for key in GOLDEN if key in figures}
    found["bones"] = float(metrics.bone_difference.mean())
    assert found == pytest.approx(GOLDEN, abs=1e-9)


def test_perfect_predictions_have_no_error():
    metrics = evaluate(*made_items(KINDS))
    figures = metrics.as_dict()
    errors = [figures[key] for key in ("mpjpe_sh", "mpjpe_ih", "mpjpe_all", "mrrpe")]
    assert errors == pytest.approx([0.0] * 4, abs=1e-9)
    assert metrics.handedness_accuracy == 1
    assert (metrics.items, metrics.items_interacting, metrics.items_mrrpe) == (6, 2, 2)
    assert len(figures) == 2 + 3 * 43


def test_mean_is_over_joints_not_over_samples():
    predictions, truth = made_items([RIGHT, RIGHT, LEFT])
    truth.joints_camera[:, 0, 0] += 30  # r_thumb4 in two items, none else
    figures = evaluate(predictions, truth).as_dict()
    assert figures["r_thumb4_sh"] == pytest.approx(30)
    assert figures["mpjpe_sh"] == pytest.approx(30 / 42)
    assert figures["r_wrist_all"] == 0


def test_a_shift_of_the_whole_hand_is_no_joint_error_but_one_of_the_roots():
    predictions, truth = made_items([BOTH])
    truth.joints_camera[:, 21:, 1] += 12
    figures = evaluate(predictions, truth).as_dict()
    assert figures["mpjpe_ih"] == pytest.approx(0, abs=1e-9)
    assert figures["mrrpe"] == pytest.approx(12)


def test_roots_need_both_wrists():
    predictions, truth = made_items([BOTH, BOTH, RIGHT])
    truth.joint_valid[0, 21:] = False
    assert evaluate(predictions, truth).items_mrrpe == 1


def test_what_nothing_counts_for_is_nan_and_left_out_of_means():
    figures = evaluate(*made_items([RIGHT])).as_dict()
    assert math.isnan(figures["mrrpe"]) and math.isnan(figures["mpjpe_ih"])
    assert math.isnan(figures["l_thumb4_all"])
    assert figures["mpjpe_all"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("kind", "probability", "right"),
    [
        (RIGHT, (0.51, 0.49), 1),
        (RIGHT, (0.51, 0.5), 0),
        (BOTH, (0.5, 0.9), 0),
        (LEFT, (0.2, 0.8), 1),
        (LEFT, (0.8, 0.8), 0),
    ],
)
def test_one_half_is_neither_there_nor_absent(kind, probability, right):
    predictions, truth = made_items([kind])
    predictions.hand_probability[0] = torch.tensor(probability)
    assert evaluate(predictions, truth).handedness_accuracy == right


def test_items_of_unknown_hands_do_not_count():
    predictions, truth = made_items([RIGHT, LEFT])
    predictions.hand_probability[1] = 0.9
    truth.hands_valid[1] = False
    assert evaluate(predictions, truth).handedness_accuracy == 1


def test_an_item_may_come_twice():
    predictions, truth = made_items(KINDS, 20.0)
    twice = [type(x)(*(torch.cat((v, v)) for v in x)) for x in (predictions, truth)]
    once, again = evaluate(predictions, truth).as_dict(), evaluate(*twice).as_dict()
    assert again == pytest.approx(once, nan_ok=True)


def test_bones_compare_left_with_right():
    predictions, truth = made_items([BOTH])
    truth.joints_camera[0] = truth.joints_camera[0, torch.arange(21).repeat(2)]
    pixels = cameras.camera_to_pixel(truth.joints_camera, truth.focal, truth.center)
    predictions.joints_25d.copy_(heatmap_space.to_cells(pixels))
    predictions.root_depth.fill_(32.0)
    truth.wrist_depth.copy_(pixels[:, [20, 41], 2])
    assert evaluate(predictions, truth).bone_difference.abs().max() < 1e-9


def test_part_iou():
    truth = torch.zeros(3, 4, 4, dtype=torch.int64)
    truth[:2, 0] = 5
    parts = truth.clone()
    parts[1, 0, :2] = 9
    found = part_iou(parts, truth, tolerance=1)
    assert found[:2].tolist() == [1.0, 0.25]  # item 1: label 5 one half, label 9 nothing
    assert found[2].isnan()
    assert part_iou(parts, truth).tolist() == pytest.approx([1 / 32, 0.5 / 32, 0.0])
    assert part_iou(parts, truth, tolerance=5).isnan().all()
