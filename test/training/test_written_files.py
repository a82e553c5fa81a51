# SPDX-License-Identifier: Apache-2.0
"""What training writes has the permissions that the umask gives."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from digit_core.decode import Calibration
from digit_core.network import build_model
from digit_core.network.checkpoint import save_model
from digit_core.network.output import DigitOutput
from training.default_weights import bundle, calibrate
from training.default_weights.train import Run
from training.export import FORMATS

SMALL = ("--model", "digit-lite", "--precision", 32, "--num_workers", 0, "--iter_batch", 4)
ONE_EPOCH = ("--batch_size", 4, "--max_epoch", 1, "--trainsplit", "train", "--valsplit", "val")


def test_data_run_predictions_and_pictures(
    command_here, new_data_root, tmp_path, as_the_umask_says
):
    root = new_data_root()
    for step in ("annotations", "images"):
        command_here("prepare", step, "--data_root", root)
    command_here("train", "--data_root", root, *SMALL, *ONE_EPOCH, "--key", "k")
    last = ("--load_ckpt", tmp_path / "logs" / "k" / "model_dump" / "last.ckpt")
    flags = ("--eval_on", "val", *last, "--data_root", root)
    out = ("--json", "f.json", "--save_predictions", "f.npz", "--save_parts")
    command_here("test", *flags, *out, "--precision", 32, "--num_workers", 0)
    command_here("demo", *flags, "--count", 1)
    as_the_umask_says(tmp_path)
    names = {path.name for path in tmp_path.rglob("*")}
    assert names >= {"data.mdb", "metrics.csv", "options.json", "last.ckpt", "f.npz", "f.json"}
    assert any(tmp_path.glob("visualization/*.png")) and any(root.rglob("*.npy"))


def test_weights(tmp_path, as_the_umask_says):
    model = build_model("digit-lite")
    save_model(tmp_path / "a.safetensors", model, "digit-lite")
    (tmp_path / "state").mkdir()
    average = {"weights": model.state_dict(), "samples": 1}
    torch.save(average, tmp_path / "state" / "average.pt")
    bundle.write_bundle(tmp_path / "state", tmp_path / "state", tmp_path / "new" / "b.safetensors")
    calibrate.write(tmp_path / "new" / "b.safetensors", Calibration())
    Run("detector", tmp_path / "run", "cpu").save()
    as_the_umask_says(tmp_path)
    assert {path.name for path in tmp_path.glob("*/*")} >= {"b.safetensors", "net.pt"}


def test_weights_that_only_their_owner_could_read_become_as_the_umask_says(
    tmp_path, as_the_umask_says
):
    path = tmp_path / "w.safetensors"
    save_file({"x": torch.zeros(2)}, path)
    path.chmod(0o600)
    calibrate.write(path, Calibration())
    as_the_umask_says(tmp_path)


class Small(nn.Module):
    """Has as many outputs as a network of ours."""

    def forward(self, images):
        return [images[:, :1, :2, :2] + number for number in range(len(DigitOutput._fields))]


@pytest.mark.parametrize("form", FORMATS)
def test_exported_files(form, tmp_path, as_the_umask_says):
    if form == "onnx":
        pytest.importorskip("onnxscript")
    FORMATS[form][0](Small(), tmp_path / "f")
    as_the_umask_says(tmp_path)
