# SPDX-License-Identifier: Apache-2.0
"""The tables of measured figures in the documents are those of docs/results/."""

import importlib.util
import json
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results"
spec = importlib.util.spec_from_file_location("result_tables", ROOT / "scripts/result_tables.py")
result_tables = importlib.util.module_from_spec(spec)
spec.loader.exec_module(result_tables)


def marked(text):
    return re.findall(r"<!-- table: (\w+) -->", text)


USED = {name for page in result_tables.pages(ROOT) for name in marked(page.read_text("utf-8"))}


def test_the_documents_have_the_figures_of_the_results():
    assert not result_tables.different(ROOT), "run `python scripts/result_tables.py`"
    assert len(USED) > 10


@pytest.mark.parametrize("name", sorted(USED))
def test_a_result_names_command_machine_and_day(name):
    result = result_tables.read(name, RESULTS)
    assert result["command"] and result["machine"] and result["rows"]
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", result.get("date") or result["committed"])


@pytest.fixture
def checkout(tmp_path):
    """A copy of README and docs/results."""
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "README.md", tmp_path)
    shutil.copytree(RESULTS, tmp_path / "docs" / "results")
    return tmp_path


def change(checkout, name, edit):
    path = checkout / "docs" / "results" / f"{name}.json"
    result = json.loads(path.read_text("utf-8"))
    edit(result)
    path.write_text(json.dumps(result))


def test_a_new_figure_reaches_every_table_that_shows_it(checkout, capsys):
    assert result_tables.main(["--root", str(checkout), "--check"]) == 0
    change(checkout, "demo", lambda result: result["rows"][0].__setitem__(2, [1234, 23]))
    assert result_tables.main(["--root", str(checkout), "--check"]) == 1
    assert "README.md: differs" in capsys.readouterr().out
    assert result_tables.main(["--root", str(checkout)]) == 0
    assert "1234 ms (23 ms)" in (checkout / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda result: result.pop("machine"), "summary.json: lacks machine"),
        (lambda result: result["rows"][0].pop(), "a row of 1 cells; expected 2"),
        (lambda result: result["rows"][0][1].pop(), "does not fit the format"),
        (lambda result: result["rows"][3][1][1].update(of="none"), "none.json"),
    ],
)
def test_a_bad_result_is_named(checkout, capsys, edit, words):
    change(checkout, "summary", edit)
    assert result_tables.main(["--root", str(checkout)]) == 1
    assert words in capsys.readouterr().err
