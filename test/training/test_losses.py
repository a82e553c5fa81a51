# SPDX-License-Identifier: Apache-2.0
"""Losses: what each counts, and golden numbers computed by the project in float64.

The golden batch is `golden_batch` below (numbers by rule). `benchmarks/parity_losses.py` holds the
same functions beside the release.
"""

import math

import pytest
import torch

from benchmarks.network_filling import uniform
from digit_core.network import digit, lite
from digit_core.network.output import DigitOutput
from training.interhand.items import Targets
from training.losses import HEATMAP_ORIGINS, heatmap_loss, loss_terms

GOLDEN = {
    "joints": 0.8776237805852235,
    "root_depth": 2.2276926831750963,
    "presence": 1.7805363586643561,
    "bones": 0.5832024681960076,
    "parts": 23.325074971028094,
}


def zeros(*shape):
    return torch.zeros(shape, dtype=torch.float64)


def rule(name, *shape):
    return torch.from_numpy(uniform(name, shape))


def perfect(count=2):
    """An answer and targets that agree; part logits are flat."""
    joints = 32 + 10 * rule("joints", count, 42, 3)
    root = zeros(count, 1) + 40
    output = DigitOutput(
        heatmaps=zeros(count, 42, 4, 4),
        joints_25d=joints,
        root_depth=root,
        hand_logits=zeros(count, 2) + 50,
        part_logits=zeros(count, 33, 128, 128),
    )
    targets = Targets(
        joints_25d=joints.clone(),
        joint_valid=zeros(count, 42) + 1,
        root_depth=root.clone(),
        root_valid=zeros(count, 1) + 1,
        hands=zeros(count, 2) + 1,
        hands_valid=zeros(count) + 1,
        parts=torch.zeros(count, 128, 128, dtype=torch.int64),
        parts_valid=zeros(count) + 1,
    )
    return output, targets


def golden_batch():
    """Two items, the second a right hand alone, with some joints that are not valid."""
    output, targets = perfect()
    output = output._replace(
        joints_25d=output.joints_25d + 3 * rule("error", 2, 42, 3),
        root_depth=output.root_depth + 5 * rule("root", 2, 1),
        hand_logits=4 * rule("hands", 2, 2),
        part_logits=3 * rule("parts", 2, 33, 128, 128),
    )
    valid = (rule("valid", 2, 42) < 0.6).double()
    valid[1, 21:] = 0
    return output, targets._replace(
        joint_valid=valid,
        root_valid=torch.tensor([[1.0], [0.0]]),
        hands=torch.tensor([[1.0, 1.0], [1.0, 0.0]], dtype=torch.float64),
        parts=(16.5 + 16.5 * rule("labels", 2, 128, 128)).long(),
        parts_valid=torch.tensor([1.0, 0.0]),
    )


def test_golden_numbers():
    terms = loss_terms(*golden_batch())
    found = {name: float(value) for name, value in terms._asdict().items()}
    assert found == pytest.approx(GOLDEN, abs=1e-9)
    assert float(terms.total()) == pytest.approx(sum(GOLDEN.values()), abs=1e-9)


def test_perfect_answer_costs_only_the_flat_parts():
    terms = loss_terms(*perfect())
    assert terms.joints == terms.root_depth == terms.bones == 0
    assert terms.presence < 1e-20
    assert float(terms.parts) == pytest.approx(10 * math.log(33))


def test_one_joint_counts_over_all_entries():
    output, targets = perfect()
    targets.joints_25d[0, 4] += torch.tensor([1.0, -2.0, 3.0])  # r_index4, a fingertip: one bone
    terms = loss_terms(output, targets)
    assert float(terms.joints) == pytest.approx(6 / (2 * 42 * 3))
    assert float(terms.bones) == pytest.approx(0.1 * 14 / (2 * 20 * 3))


def test_invalid_joint_takes_its_bones_along_but_stays_in_the_mean():
    output, targets = perfect()
    targets.joints_25d[:, 5] += 7  # r_index3: two bones end there
    targets.joint_valid[:, 5] = 0
    terms = loss_terms(output, targets)
    assert terms.joints == terms.bones == 0


def test_what_is_not_valid_costs_nothing():
    output, targets = perfect()
    targets = targets._replace(
        root_depth=zeros(2, 1),
        root_valid=zeros(2, 1),
        hands=zeros(2, 2),
        hands_valid=zeros(2),
        parts_valid=zeros(2),
    )
    assert loss_terms(output, targets).total() == 0


def test_half_of_the_masks_missing_halves_the_term():
    output, targets = perfect()
    targets.parts_valid[1] = 0
    assert float(loss_terms(output, targets).parts) == pytest.approx(5 * math.log(33))


#: How each network reads places off heatmaps outside training.
READERS = {
    "digit": digit.decode_joints,
    "digit-lite": lambda heatmaps, depth: lite.decode_joints(
        lite.likeliest_window(heatmaps), depth[..., ::2, ::2]
    ),
}


@pytest.mark.parametrize("name", READERS)
def test_heatmaps_that_learnt_their_loss_are_read_at_the_true_place(name):
    _, targets = perfect(1)
    heatmaps = torch.zeros(1, 42, 64, 64, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([heatmaps], lr=0.3)
    for _ in range(200):
        loss = heatmap_loss(heatmaps, targets, HEATMAP_ORIGINS[name])
        loss.backward()
        adam.step()
        adam.zero_grad()
    with torch.no_grad():
        places = READERS[name](heatmaps, zeros(1, 42, 64, 64))[..., :2]
    assert (places - targets.joints_25d[..., :2]).abs().max() < 0.05


def test_flat_heatmaps_cost_the_logarithm_of_their_cells_for_each_valid_joint():
    _, targets = perfect()
    targets.joint_valid[1] = 0
    flat = zeros(2, 42, 64, 64)
    assert float(heatmap_loss(flat, targets, 0.5)) == pytest.approx(math.log(64 * 64) / 2)
