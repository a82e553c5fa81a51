# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from digit_core import DigitEstimator, load_model, weights
from digit_core.network import build_model
from digit_core.network.checkpoint import CheckpointError
from digit_core.network.detector import HandDetector


def tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    parts = {"pose.": build_model("digit-lite"), "detector.": HandDetector()}
    return {p + k: v.contiguous() for p, net in parts.items() for k, v in net.state_dict().items()}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "bundle.safetensors"
    half = {k: v.half() if v.is_floating_point() else v for k, v in tensors().items()}
    save_file(half, path, metadata={"model": "digit-lite", "hand_size_m": "0.18"})
    return path


def test_both_networks_come_from_one_file_as_float32(bundle):
    networks = weights.load_networks(bundle, "cpu")
    assert networks.name == "digit-lite" and networks.hand_size_m == 0.18
    assert all(p.dtype == torch.float32 for p in networks.pose.parameters())
    assert not networks.pose.training and not networks.detector.training
    expected = tensors()["detector.score.weight"]
    assert torch.allclose(networks.detector.score.weight, expected, atol=1e-3)


def test_load_model_gives_the_bare_network(bundle):
    model = load_model(bundle)
    output = model(torch.zeros(1, 3, 256, 256))
    assert output.heatmaps.shape == (1, 42, 64, 64) and output.joints_25d.shape == (1, 42, 3)
    assert output.hand_logits.shape == (1, 2) and output.root_depth.shape == (1, 1)
    assert output.part_logits.shape == (1, 33, 128, 128)


def test_foreign_weights_are_served_by_the_bundled_detector(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "BUNDLED", bundle)
    foreign = tmp_path / "foreign.safetensors"
    pose = {k[5:]: v for k, v in tensors().items() if k.startswith("pose.")}
    save_file(pose, foreign, metadata={"model": "digit-lite"})
    networks = weights.load_networks(foreign, "cpu")
    assert networks.weights == "foreign.safetensors"
    bundled = weights.load_networks(None, "cpu")
    assert torch.equal(networks.detector.score.weight, bundled.detector.score.weight)


def test_an_estimator_of_real_networks_runs(bundle):
    estimator = DigitEstimator.load(bundle, "cpu")
    hands = estimator(np.zeros((120, 160, 3), np.uint8), boxes=[np.array([10, 10, 80, 80])])
    assert hands.segmentation.shape == (120, 160)
    estimator.warm_up()


def test_missing_bundled_weights_are_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "BUNDLED", tmp_path / "digit_lite.safetensors")
    with pytest.raises(CheckpointError, match="digit_lite.safetensors.*reinstall"):
        DigitEstimator.load()


def broken(tmp_path, bundle, kind: str):
    path, state = tmp_path / f"{kind}.safetensors", tensors()
    if kind == "truncated":
        path.write_bytes(bundle.read_bytes()[:5000])
        return path
    if kind == "text":
        path.write_bytes(b"hello")
        return path
    if kind == "missing_key":
        del state["pose.heatmap.weight"]
    if kind == "other_shape":
        state["detector.score.weight"] = torch.zeros(3, 64, 1, 1)
    if kind == "not_finite":
        state["pose.heatmap.weight"][0] = float("nan")
    name = "resnet" if kind == "other_network" else "digit-lite"
    save_file(state, path, metadata={"model": name})
    return path


@pytest.mark.parametrize(
    "kind, sentence",
    [
        ("truncated", "damaged"),
        ("text", "damaged"),
        ("missing_key", "does not fit DigitLite.*heatmap"),
        ("other_shape", "does not fit HandDetector.*score"),
        ("not_finite", "not finite"),
        ("other_network", "'resnet'.*expected one of"),
    ],
)
def test_broken_weights_are_one_sentence_with_the_file(tmp_path, bundle, kind, sentence):
    with pytest.raises(CheckpointError, match=f"{kind}.safetensors.*{sentence}") as error:
        weights.load_networks(broken(tmp_path, bundle, kind), "cpu")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "name, text",
    [
        ("hand_size_m", "None"),
        ("hand_size_m", "nan"),
        ("hand_size_m", "-0.2"),
        ("sigma_power", ""),
        ("offset", "inf"),
        ("sigma_gain", "-1"),
        ("offset", "\x1b[2J\n"),
    ],
)
def test_numbers_of_the_metadata_are_checked(tmp_path, name, text):
    """Found by fuzzing: float() raised its own ValueError, and NaN went on into every depth."""
    path = tmp_path / "told.safetensors"
    save_file(tensors(), path, metadata={"model": "digit-lite", name: text})
    with pytest.raises(CheckpointError, match=f"told.safetensors: its {name} is") as error:
        weights.load_networks(path, "cpu")
    assert str(error.value).isprintable()


def test_weights_of_unusual_types_are_refused(tmp_path):
    """Found by fuzzing: isfinite is not implemented for all that .safetensors can hold."""
    path, state = tmp_path / "float8.safetensors", tensors()
    state["pose.heatmap.weight"] = state["pose.heatmap.weight"].to(torch.float8_e4m3fn)
    save_file(state, path, metadata={"model": "digit-lite"})
    with pytest.raises(CheckpointError, match="float8.*pose.heatmap.weight is no dense tensor"):
        weights.load_networks(path, "cpu")


@pytest.mark.parametrize("device", ["cuda:77", "toaster"])
def test_a_device_that_is_not_there(bundle, device):
    with pytest.raises(ValueError, match=f"device '{device}' is not available"):
        weights.load_networks(bundle, device)


def test_importing_the_package_does_not_import_torch():
    code = "import sys, digit_core; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_every_public_name_is_there():
    import digit_core

    for name in digit_core.__all__:
        assert getattr(digit_core, name) is not None
    with pytest.raises(AttributeError, match="nothing_here"):
        digit_core.nothing_here  # noqa: B018
