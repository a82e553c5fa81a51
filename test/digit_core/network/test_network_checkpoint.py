# SPDX-License-Identifier: Apache-2.0
"""Weights files: every form that is read, and one clear refusal for every one that is not."""

from collections import Counter, OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from digit_core.network import build_model
from digit_core.network.checkpoint import CheckpointError, load_model, read_checkpoint, save_model
from digit_core.network.keys import published_from_ours


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    return build_model("digit").state_dict()


@pytest.fixture(scope="module")
def published(state):
    return published_from_ours(state)


def assert_holds(model: torch.nn.Module, state: dict) -> None:
    found = model.state_dict()
    assert list(found) == list(state)
    assert all(torch.equal(found[key], state[key]) for key in state)
    assert not model.training
    assert all(p.dtype == torch.float32 for p in model.parameters())


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_model(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message
    return message


@pytest.mark.parametrize("prefix", ["", "model."])
@pytest.mark.parametrize("zipped", [True, False])
def test_published_form(tmp_path, state, published, prefix, zipped):
    content = OrderedDict((prefix + key, value) for key, value in published.items())
    path = tmp_path / "db7cba8c1.pt"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert_holds(load_model(path), state)


def test_lightning_form(tmp_path, state, published):
    content = {
        "epoch": 3,
        "global_step": 7,
        "pytorch-lightning_version": "0.9.0",
        "checkpoint_callback_best_model_score": torch.tensor(1.0),
        "optimizer_states": [{"state": {}, "param_groups": []}],
        "lr_schedulers": [{"milestones": Counter([40])}],
        "state_dict": OrderedDict(("model." + k, v) for k, v in published.items()),
    }
    assert_holds(load_model(saved(tmp_path / "last.ckpt", content)), state)


def test_own_checkpoint_form(tmp_path, state):
    content = {"model": "digit", "state_dict": state}
    assert_holds(load_model(saved(tmp_path / "last.ckpt", content)), state)


def test_own_safetensors_round_trip(tmp_path, state):
    model = build_model("digit")
    model.load_state_dict(state)
    save_model(tmp_path / "w.safetensors", model, "digit", seed="1")
    assert_holds(load_model(tmp_path / "w.safetensors"), state)
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_half_precision_is_widened(tmp_path, published):
    half = {k: v.half() if v.is_floating_point() else v for k, v in published.items()}
    model = load_model(saved(tmp_path / "half.pt", half))
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_missing_file(tmp_path):
    assert "no such file" in refusal(tmp_path / "nowhere.pt")
    assert "no such file" in refusal(tmp_path)


@pytest.mark.parametrize("kept", [0, 5, 1000, 0.5, 0.999])
@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_truncated_file(tmp_path, published, kept, name):
    path = tmp_path / name
    small = {k: v for k, v in published.items() if k.startswith("pose_reg.hand_fc")}
    if path.suffix == ".pt":
        torch.save(small, path)
    else:
        save_file(small, path, metadata={"model": "digit"})
    content = path.read_bytes()
    size = kept if isinstance(kept, int) else int(kept * len(content))
    path.write_bytes(content[:size])
    assert "expected" in refusal(path)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n" + bytes(64), b"hello\n" * 50, bytes(99)])
def test_no_checkpoint(tmp_path, content):
    path = tmp_path / "w.pt"
    path.write_bytes(content)
    assert "truncated or no checkpoint" in refusal(path)


class Foreign:
    """Stands for any Python object in a file; reading it would run its code."""


def test_python_objects_are_refused(tmp_path, published):
    content = {**published, "hyper_parameters": Foreign()}
    assert "would run code" in refusal(saved(tmp_path / "w.pt", content))


@pytest.mark.parametrize("content", [[1, 2], torch.zeros(3), {}, {"epoch": 3}, {1: torch.zeros(1)}])
def test_no_state_dict(tmp_path, content):
    assert "mapping" in refusal(saved(tmp_path / "w.pt", content))


def test_first_keys_that_do_not_fit_are_named(tmp_path, published):
    content = dict(published)
    content["pose_reg.conv_hm.weight"] = torch.zeros(21, 544, 1, 1)
    content["pose_reg.conv_hm.bias"] = torch.zeros(42, dtype=torch.int64)
    content["pose_reg.conv_depth.bias"] = torch.full((42,), float("nan"))
    content["fc.weight"] = content.pop("pose_reg.backbone.conv1.weight")
    message = refusal(saved(tmp_path / "w.pt", content))
    assert "1 missing (backbone.conv1.weight)" in message
    assert "1 not of this network (fc.weight)" in message
    assert "heatmap.weight (21, 544, 1, 1) for (42, 544, 1, 1)" in message
    assert "heatmap.bias torch.int64" in message
    assert "1 not finite (depth.bias)" in message


def test_a_tensor_that_says_it_is_huge_is_not_looked_into(tmp_path, published):
    """Found by fuzzing: 4 TB were asked for, as one number can stand for a million squared."""
    content = {**published, "pose_reg.conv_hm.weight": torch.zeros(1).expand(10**6, 10**6)}
    message = refusal(saved(tmp_path / "w.pt", content))
    assert "heatmap.weight (1000000, 1000000) for (42, 544, 1, 1)" in message


@pytest.mark.parametrize("kind", ["sparse", "meta", "float8"])
def test_tensors_that_are_no_dense_numbers_are_refused(tmp_path, published, kind):
    """Found by fuzzing: torch raised errors of its own."""
    bias = published["pose_reg.conv_hm.bias"]
    made = {
        "sparse": bias.to_sparse(),
        "meta": bias.to("meta"),
        "float8": bias.to(torch.float8_e5m2),
    }
    content = {**published, "pose_reg.conv_hm.bias": made[kind]}
    message = refusal(saved(tmp_path / "w.pt", content))
    assert "pose_reg.conv_hm.bias is no dense tensor" in message


def test_keys_cannot_forge_lines(tmp_path):
    """Found by fuzzing: foreign keys stood in the message as they are."""
    message = refusal(saved(tmp_path / "w.pt", {"\nall is well\x1b[2J": torch.zeros(1)}))
    assert message.isprintable() and r"\nall is well\x1b[2J" in message


def test_another_network_names_three_keys_only(tmp_path):
    content = {f"layer{i}.weight": torch.zeros(2) for i in range(50)}
    message = refusal(saved(tmp_path / "resnet.pt", content))
    assert "1903 missing" in message and "50 not of this network" in message
    assert len(message) < 600


def test_unknown_name_in_metadata(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors", metadata={"model": "yolo"})
    assert "'yolo'; expected one of digit, digit-lite" in refusal(tmp_path / "w.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "v.safetensors")
    assert "metadata has no 'model'" in refusal(tmp_path / "v.safetensors")


def test_content_tells_the_form(tmp_path, state):
    save_file(dict(state), tmp_path / "renamed.pt", metadata={"model": "digit"})
    name, found = read_checkpoint(tmp_path / "renamed.pt")
    assert name == "digit" and sorted(found) == sorted(state)


def test_unknown_network_has_a_clear_error():
    with pytest.raises(ValueError, match="'yolo': expected one of digit, digit-lite"):
        build_model("yolo")
