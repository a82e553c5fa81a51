# SPDX-License-Identifier: Apache-2.0
"""The trained network's pieces in this process: the baseline, the trunk's start, precision."""

import argparse

import pytest
import torch

from digit_core.network import build_model
from digit_core.network.hrnet import HRNet
from training import options
from training.backbone import load_backbone
from training.interhand.dataset import InterHand
from training.interhand.errors import DataError
from training.losses import LossTerms
from training.module import HandModule, without_parts


@pytest.mark.parametrize("name", ["digit", "digit-lite"])
def test_baseline_says_background_and_learns_nothing_of_parts(name):
    torch.manual_seed(0)
    model = without_parts(build_model(name), name)
    side = 64 if name == "digit" else 256
    images = torch.rand(2, 3, side, side)
    with torch.no_grad():
        output = model(images)
    assert not output.part_logits.argmax(dim=1).any()
    if name == "digit":
        assert not model.part_features(output.part_logits).any()
    learnt = [key for key, weight in model.named_parameters() if weight.requires_grad]
    assert learnt and not any(
        key.startswith(("part_head", "part_features", "parts")) for key in learnt
    )


def test_full_network_takes_a_step_by_the_release_s_losses_alone(data_root):
    torch.manual_seed(0)
    batch = InterHand(data_root, "train").__getitems__([(5, 0)])
    module = HandModule(build_model("digit"), "digit")
    terms = module.losses(batch)
    assert set(terms) == set(LossTerms._fields)
    torch.stack(list(terms.values())).sum().backward()
    assert all(w.grad is not None and w.grad.isfinite().all() for w in module.model.parameters())


@pytest.mark.parametrize(
    ("asked", "parts", "added"),
    [(None, True, {"parts", "heatmaps"}), (0.0, True, {"parts"}), (None, False, {"heatmaps"})],
)
def test_small_network_learns_its_heatmaps(data_root, asked, parts, added):
    batch = InterHand(data_root, "train").__getitems__([(5, 0)])
    module = HandModule(build_model("digit-lite"), "digit-lite", parts=parts, heatmap_weight=asked)
    with torch.no_grad():
        terms = module.losses(batch)
    assert set(terms) == set(LossTerms._fields) - {"parts"} | added


def test_trunk_starts_from_the_authors_file(tmp_path):
    torch.manual_seed(0)
    source, target = HRNet(), HRNet()
    state = source.state_dict() | {"classifier.weight": torch.zeros(1)}
    torch.save(state, tmp_path / "hrnet.pth")
    assert load_backbone(target, tmp_path / "hrnet.pth") == len(source.state_dict())
    assert torch.equal(target.state_dict()["conv1.weight"], state["conv1.weight"])
    del state["conv1.weight"]
    torch.save(state, tmp_path / "hrnet.pth")
    with pytest.raises(DataError, match=r"the first is conv1\.weight"):
        load_backbone(target, tmp_path / "hrnet.pth")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([1, 2], "no mapping to tensors"),
        ({"conv1.weight": "a", 1: 2}, r"the first is conv1\.weight"),
        ({"conv1.weight": torch.zeros(64, 3, 3, 3).to_sparse()}, r"the first is conv1\.weight"),
    ],
)
def test_other_files_are_no_backbone(tmp_path, content, expected):
    """Found by fuzzing: errors of Python and torch came through."""
    torch.save(content, tmp_path / "hrnet.pth")
    with pytest.raises(DataError, match=expected):
        load_backbone(HRNet(), tmp_path / "hrnet.pth")


@pytest.mark.skipif(torch.cuda.is_available(), reason="what a machine without a GPU does")
def test_without_a_gpu_as_many_processes(capsys):
    asked = argparse.Namespace(gpu_ids=[0, 1], num_nodes=1, precision=16)
    machine = options.machine_of(asked, training=True)
    assert (machine["accelerator"], machine["devices"]) == ("cpu", 2)
    assert machine["precision"] == "bf16-mixed"
    assert "no GPU here" in capsys.readouterr().err
