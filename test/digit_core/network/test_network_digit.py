# SPDX-License-Identifier: Apache-2.0
"""The full network: its keys, its golden numbers, layouts, and export."""

import json
import warnings
from pathlib import Path

import pytest
import torch

from benchmarks import network_golden
from benchmarks.network_filling import image
from digit_core.network import build_model
from digit_core.network.digit import decode_joints
from digit_core.network.keys import ours_from_published, published_from_ours
from digit_core.network.output import DigitOutput

REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "state_dict.json"


@pytest.fixture(scope="module")
def model():
    return network_golden.golden_model()


@pytest.fixture(scope="module")
def output(model):
    with torch.no_grad():
        return model(image("a"))


def largest_difference(a: DigitOutput, b: DigitOutput) -> float:
    return max(float((x - y).abs().max()) for x, y in zip(a, b, strict=True))


def test_counts_of_the_published_network():
    model = build_model("digit")
    assert len(model.state_dict()) == 1903
    assert len(list(model.parameters())) == 976
    assert sum(p.numel() for p in model.parameters()) == 40_711_475
    assert sum(p.numel() for p in model.backbone.parameters()) == 28_535_552


@pytest.mark.skipif(not REFERENCE.is_file(), reason="the reference's list of keys is not here")
def test_published_keys_shapes_and_dtypes():
    wanted = json.loads(REFERENCE.read_text())["state_dict"]
    state = published_from_ours(build_model("digit").state_dict())
    assert {e["key"]: (e["shape"], "torch." + e["dtype"]) for e in wanted} == {
        key: (list(value.shape), str(value.dtype)) for key, value in state.items()
    }


def test_key_mapping_is_one_to_one():
    keys = build_model("digit").state_dict()
    published = published_from_ours(keys)
    assert len(published) == len(keys)
    assert all(key.startswith("pose_reg.") for key in published)
    assert list(ours_from_published(published)) == list(keys)


def test_golden_numbers(output):
    golden = json.loads(network_golden.FILE.read_text())
    for key, value in network_golden.summarise(output).items():
        torch.testing.assert_close(
            value, torch.tensor(golden[key], dtype=torch.float64), atol=1e-8, rtol=0, msg=key
        )


def test_golden_filling_is_not_flat(output):
    peaks = output.heatmaps.flatten(2).softmax(dim=2).amax(dim=2)
    assert peaks.median() > 0.2
    assert output.part_logits.argmax(dim=1).unique().numel() >= 20


def test_float32_is_near_float64(model, output):
    single = build_model("digit").eval()
    single.load_state_dict(model.state_dict())
    with torch.no_grad():
        found = single(image("a").float())
    assert largest_difference(found, output) < 0.03


def test_batch_and_channels_last_change_nothing(model, output):
    batch = torch.cat((image("b"), image("a"))).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        found = model(batch)
    second = DigitOutput(*(value[1:] for value in found))
    assert largest_difference(second, output) < 1e-9


def test_shapes(output):
    assert {key: tuple(value.shape) for key, value in output._asdict().items()} == {
        "heatmaps": (1, 42, 64, 64),
        "joints_25d": (1, 42, 3),
        "root_depth": (1, 1),
        "hand_logits": (1, 2),
        "part_logits": (1, 33, 128, 128),
    }


def test_peaks_decode_to_cell_plus_half_and_the_depth_there():
    heatmaps = torch.zeros(1, 42, 64, 64)
    depths = torch.zeros(1, 42, 64, 64)
    heatmaps[:, :, 20, 50] = 200.0  # row 20, column 50
    depths[:, :, 20, 50] = 33.0
    joints = decode_joints(heatmaps, depths)
    torch.testing.assert_close(joints, torch.tensor([50.5, 20.5, 33.0]).expand(1, 42, 3))


def test_gradients_reach_every_weight():
    model = build_model("digit")
    output = model(torch.rand(2, 3, 64, 64))
    sum(value.square().mean() for value in output).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert not without


def test_scripted_network_answers_alike():
    model = build_model("digit").double().eval()
    images = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.script(model)
        assert largest_difference(scripted(images), model(images)) < 1e-9


def test_exported_network_takes_any_batch():
    model = build_model("digit").eval()
    batch = torch.export.Dim("batch", min=1, max=64)
    images = torch.rand(2, 3, 64, 64)
    program = torch.export.export(model, (images,), dynamic_shapes=({0: batch},))
    with torch.no_grad():
        assert program.module()(torch.rand(5, 3, 64, 64)).heatmaps.shape == (5, 42, 16, 16)
