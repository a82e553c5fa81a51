# SPDX-License-Identifier: Apache-2.0
"""Code, docs/parameters.md and config/digit.yaml say the same of every parameter."""

import shutil
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from digit_ros import parameter_reference
from digit_ros.parameter_reference import NODES, different, rendered
from digit_ros.parameters import Parameters

ROOT = Path(__file__).parents[2]
ROWS = [(node, row) for node, table in NODES.items() for row in fields(table)]


def test_the_files_are_those_that_the_code_gives():
    assert not different(ROOT), "run `python -m digit_ros.parameter_reference`"


def test_the_yaml_file_has_the_defaults_as_ros_reads_them():
    values = yaml.safe_load((ROOT / "config/digit.yaml").read_text(encoding="utf-8"))
    values = values["/**"]["ros__parameters"]
    expected = {row.name: row.default for row in fields(Parameters)}
    assert values == expected | {"cameras": list(Parameters.cameras)}
    assert all(type(values[name]) is type(expected[name]) for name in values if name != "cameras")


@pytest.mark.parametrize(("node", "row"), ROWS, ids=lambda one: getattr(one, "name", one))
def test_a_row_of_the_page_says_everything(node, row):
    page = (ROOT / "docs/parameters.md").read_text(encoding="utf-8").split(f"## {node}\n")[1]
    line = next(line for line in page.splitlines() if line.startswith(f"| `{row.name}` |"))
    _, _, kind, default, allowed, live, description, _ = line.split("|")
    assert kind.strip() and allowed.strip() == row.metadata["rule"].allowed
    assert str(row.default).lower() in default.lower() or row.default == ("",)
    assert live.strip() == ("live" if row.metadata["live"] else "")
    assert description.strip() == row.metadata["description"]


@pytest.mark.parametrize(("node", "row"), ROWS, ids=lambda one: getattr(one, "name", one))
def test_a_description_is_one_short_sentence(node, row):
    description = row.metadata["description"]
    assert description.endswith(".") and ". " not in description
    assert len(description.split()) <= 30


def test_a_change_is_found_and_written(tmp_path, capsys):
    for name in rendered():
        (tmp_path / name).parent.mkdir()
        shutil.copy(ROOT / name, tmp_path / name)
    changed = tmp_path / "config/digit.yaml"
    changed.write_text(changed.read_text().replace("hold_s: 0.1", "hold_s: 0.2"))
    arguments = ["--root", str(tmp_path)]
    assert parameter_reference.main([*arguments, "--check"]) == 1
    assert capsys.readouterr().out == "config/digit.yaml: differs from the code\n"
    assert parameter_reference.main(arguments) == 0 and not different(tmp_path)
    assert parameter_reference.main([*arguments, "--check"]) == 0


def test_a_folder_that_is_no_checkout_is_named(tmp_path, capsys):
    assert parameter_reference.main(["--root", str(tmp_path)]) == 1
    assert str(tmp_path / "docs/parameters.md") in capsys.readouterr().err
