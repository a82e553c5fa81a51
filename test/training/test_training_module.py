"""The trained network's pieces in this process: the baseline, the trunk's start, precision."""

import argparse

import pytest
import torch

from digit_core.network import build_model
from training import options
from training.backbone import load_backbone
from training.interhand.dataset import InterHand, network_input
from training.interhand.errors import DataError
from training.losses import loss_terms
from training.module import without_parts


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


def test_full_network_takes_a_step(data_root):
    torch.manual_seed(0)
    data = InterHand(data_root, "train")
    batch = data.__getitems__([(5, 0)])
    model = build_model("digit")
    loss = loss_terms(model(network_input(batch)), batch.targets).total()
    loss.backward()
    assert loss.isfinite() and all(w.grad is not None for w in model.parameters())


def test_trunk_starts_from_the_authors_file(tmp_path):
    torch.manual_seed(0)
    source, target = (build_model("digit").backbone for _ in range(2))
    state = source.state_dict() | {"classifier.weight": torch.zeros(1)}
    torch.save(state, tmp_path / "hrnet.pth")
    assert load_backbone(target, tmp_path / "hrnet.pth") == len(source.state_dict())
    assert torch.equal(target.state_dict()["conv1.weight"], state["conv1.weight"])
    del state["conv1.weight"]
    torch.save(state, tmp_path / "hrnet.pth")
    with pytest.raises(DataError, match=r"the first is conv1\.weight"):
        load_backbone(target, tmp_path / "hrnet.pth")


@pytest.mark.skipif(torch.cuda.is_available(), reason="what a machine without a GPU does")
def test_without_a_gpu_as_many_processes(capsys):
    asked = argparse.Namespace(gpu_ids=[0, 1], num_nodes=1, precision=16)
    machine = options.machine_of(asked, training=True)
    assert (machine["accelerator"], machine["devices"]) == ("cpu", 2)
    assert machine["precision"] == "bf16-mixed"
    assert "no GPU here" in capsys.readouterr().err
