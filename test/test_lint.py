# SPDX-License-Identifier: Apache-2.0
"""The code's form: ruff, mypy, licence headers, what package.xml must have."""

import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = (
    "digit_core",
    "digit_ros",
    "training",
    "test",
    "benchmarks",
    "scripts",
    "launch",
    "underlay",
)
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
HEADER = "# SPDX-License-Identifier: Apache-2.0"
#: Of REP 149, package format 3, in any order but each at least once.
REQUIRED = ("name", "version", "description", "maintainer", "license")


def run(*command):
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250)


@pytest.mark.parametrize("arguments", [("check",), ("format", "--check")], ids=" ".join)
def test_ruff(arguments):
    done = run("ruff", *arguments, ".")
    assert done.returncode == 0, done.stdout + done.stderr


def test_types():
    """Strict on digit_core, see pyproject.toml."""
    done = run("mypy")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_source_file_has_the_licence_header():
    assert len(SOURCES) > 100
    lacking = [p for p in SOURCES if HEADER not in p.read_text().splitlines()[:3]]
    assert not lacking


@pytest.mark.parametrize(
    "path",
    [ROOT / "package.xml", *(ROOT / "underlay").glob("*/package.xml")],
    ids=lambda p: p.parent.name,
)
def test_package_xml(path):
    root = ElementTree.parse(path).getroot()
    assert (root.tag, root.get("format")) == ("package", "3")
    for tag in REQUIRED:
        assert any((e.text or "").strip() for e in root.findall(tag)), f"{path}: no {tag}"
    assert all("@" in (e.get("email") or "") for e in root.findall("maintainer"))
    assert [e.text for e in root.findall("license")] == ["Apache-2.0"]
    named = [(e.tag, e.text) for e in root if e.tag.endswith("depend")]
    assert named and len(named) == len(set(named)), f"{path}: a dependency is named twice"
