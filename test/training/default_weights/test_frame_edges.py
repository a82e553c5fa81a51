# SPDX-License-Identifier: Apache-2.0
import torch

from training.default_weights.frame_edges import cut_by_frame
from training.default_weights.losses import UNKNOWN_PART
from training.synth.draws import Draws

N, SIZE, CELLS = 400, 64, 16


def batch():
    """Crops of one grey, each with a right hand across its middle and parts everywhere."""
    generator = torch.Generator().manual_seed(0)
    joints = torch.zeros(N, 42, 3)
    joints[:, :21, :2] = 0.2 + 0.6 * torch.rand(N, 21, 2, generator=generator)
    valid = torch.zeros(N, 42, dtype=torch.bool)
    valid[:, :21] = True
    return torch.full((N, 3, SIZE, SIZE), 0.5), {
        "joints": joints,
        "valid": valid,
        "visible": valid.clone(),
        "hands": torch.tensor([[1.0, 0.0]]).repeat(N, 1),
        "hands_known": torch.ones(N, 2, dtype=torch.bool),
        "parts": torch.full((N, CELLS, CELLS), 3),
    }


def test_some_crops_are_black_beyond_an_edge_and_nowhere_else():
    images, targets = batch()
    cut_by_frame(Draws(1, "cpu"), images, targets)
    black = (images == 0).all(1)
    cut = black.flatten(1).any(1)
    assert 0.08 * N < cut.sum() < 0.25 * N
    assert (images[~black[:, None].expand_as(images)] == 0.5).all()
    sides = set()
    for picture in black[cut]:
        rows, columns = picture.all(1), picture.all(0)
        # A whole strip at one side: all of its rows, or all of its columns.
        assert picture.sum() == max(int(rows.sum()), int(columns.sum())) * SIZE
        ends = {"top": rows[0], "bottom": rows[-1], "left": columns[0], "right": columns[-1]}
        (side,) = (name for name, black_there in ends.items() if black_there)
        sides.add(side)
    assert sides == {"top", "bottom", "left", "right"}


def test_hidden_joints_are_asked_for_but_not_visible_and_parts_are_unknown():
    images, targets = batch()
    before = {k: v.clone() for k, v in targets.items()}
    cut_by_frame(Draws(1, "cpu"), images, targets)
    black = (images == 0).all(1)
    cut = black.flatten(1).any(1)
    assert (targets["valid"] == before["valid"]).all()
    assert (targets["joints"] == before["joints"]).all()
    assert (targets["hands"] == before["hands"]).all()
    seen = targets["visible"][:, :21].float().mean(1)
    assert (seen[~cut] == 1).all() and (seen[cut] >= 0.45).all() and (seen[cut] < 1).any()
    place = (targets["joints"][:, :21, :2] * SIZE).long().clamp(0, SIZE - 1)
    hidden = black[torch.arange(N)[:, None], place[..., 1], place[..., 0]]
    # Joints within a pixel of the edge may fall on either side of it.
    assert (hidden == ~targets["visible"][:, :21]).float().mean() > 0.99
    unknown = targets["parts"] == UNKNOWN_PART
    assert (unknown == black[:, 1::4, 1::4]).all()


def test_the_other_hand_may_lie_beyond_only_where_no_hand_is_labelled():
    images, targets = batch()
    cut_by_frame(Draws(1, "cpu"), images, targets)
    assert targets["hands_known"].all()
    images, targets = batch()
    targets["valid"][:], targets["hands"][:] = False, 0.0
    cut_by_frame(Draws(1, "cpu"), images, targets)
    cut = (images == 0).all(1).flatten(1).any(1)
    assert cut.any() and not targets["hands_known"][cut].any()
    assert targets["hands_known"][~cut].all()
