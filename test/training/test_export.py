# SPDX-License-Identifier: Apache-2.0
"""Exported networks agree with torch and take any batch."""

import pytest
import torch

from benchmarks.network_filling import image
from digit_core.network.checkpoint import save_model
from digit_core.weights import load_networks
from training.export import FORMATS, export
from training.interhand.errors import DataError

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def model():
    """Trained: the flat heatmaps of an untrained one have their likeliest place by rounding."""
    return load_networks(device="cpu").pose


@pytest.mark.parametrize("form", FORMATS)
def test_file_agrees_with_torch(model, form, tmp_path):
    worst = export(model, form, tmp_path / "f")
    assert max(worst.values()) < 1e-3
    images = torch.cat([image("a"), image("b")])[[0, 1, 0, 1, 0]].float()
    found = FORMATS[form][1](tmp_path / "f", images)
    with torch.no_grad():
        joints = model(images).joints_25d
    assert found[1].shape == (5, 42, 3)
    assert (joints - torch.from_numpy(found[1])).abs().max() < 0.01


def test_file_that_disagrees_is_not_left(model, tmp_path, monkeypatch):
    wrong = (FORMATS["torchscript"][0], lambda path, images: [2 * x.numpy() for x in model(images)])
    monkeypatch.setitem(FORMATS, "torchscript", wrong)
    with torch.no_grad(), pytest.raises(DataError, match="disagrees with torch"):
        export(model, "torchscript", tmp_path / "f")
    assert not list(tmp_path.iterdir())


def test_command(command_here, model, tmp_path):
    save_model(tmp_path / "w.safetensors", model, "digit-lite")
    flags = ("--load_from", "w.safetensors", "--format", "torchscript", "--output", "f.ts")
    assert "joints_25d" in command_here("export", *flags).out
    assert (tmp_path / "f.ts").stat().st_size > 1e6
