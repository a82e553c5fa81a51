# SPDX-License-Identifier: Apache-2.0
"""The one command that makes the weights, in miniature."""

import pytest
import torch

from digit_core.weights import load_networks
from training.default_weights import __main__ as command
from training.default_weights.stream import SIZES


def test_legs_and_stops_on_the_way_to_a_weights_file(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(SIZES, "pose", 96)
    monkeypatch.setitem(SIZES, "detector", 96)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    small = ["--batch", "4", "--pool", "4", "--crops", "8", "--frames", "1", "--device", "cpu"]
    run = ["--work", str(tmp_path), "--pose-samples", "16", "--detector-samples", "8", *small]
    assert command.main([*run, "--legs", "2", "--minutes", "0"]) == 0
    assert "the same command goes on" in capsys.readouterr().out
    # Weights that have seen nothing see no hand; what is trained is written all the same.
    assert command.main([*run, "--legs", "2"]) == 1
    said = capsys.readouterr()
    assert "leg 2, pose: from 8 to 16 samples" in said.out
    assert "no hand is seen in 1 frames" in said.err
    torch.set_num_threads(threads)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"pose", "detector", "leg_1.safetensors", "leg_2.safetensors", command.RESULT}
    first, last, result = (
        next(iter(load_networks(tmp_path / name, "cpu").pose.parameters()))
        for name in ("leg_1.safetensors", "leg_2.safetensors", command.RESULT)
    )
    assert torch.equal(result, last) and not torch.equal(first, last)


def test_numbers_that_make_no_sense(tmp_path, capsys):
    with pytest.raises(SystemExit):
        command.main(["--work", str(tmp_path / "none"), "--legs", "0"])
    assert "at least 1" in capsys.readouterr().err and not (tmp_path / "none").exists()
