# SPDX-License-Identifier: Apache-2.0
"""Every command that makes something, sent where nothing can be made: one sentence, and 2."""

import importlib

import pytest

from digit_core.weights import BUNDLED

WEIGHTS = ("--load_from", BUNDLED)
COMMANDS = {
    "synth.__main__": ("--train", 1, "--output"),
    "synth.clip": ("--output",),
    "export": (*WEIGHTS, "--format", "torchscript", "--output"),
    "default_weights.frames": ("--count", 1, "--output"),
    "default_weights.bundle": ("--pose", "none", "--detector", "none", "--output"),
    "default_weights.evaluate": ("--count", 1, "--weights"),
    "default_weights.train": ("--part", "pose", "--samples", 1, "--state"),
    "default_weights.__main__": ("--pose-samples", 1, "--detector-samples", 1, "--work"),
}


@pytest.mark.skipif(not BUNDLED.is_file(), reason="there are no bundled weights yet")
@pytest.mark.parametrize("name", COMMANDS)
def test_one_sentence(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    command = importlib.import_module(f"training.{name}").main
    given = [*map(str, COMMANDS[name]), str(tmp_path / "file" / "below")]
    assert command(given) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("error: ")
    assert str(tmp_path / "file") in said or "none" in said
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
