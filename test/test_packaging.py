# SPDX-License-Identifier: Apache-2.0
"""sdist and wheel: what they hold, and that the wheel alone finds hands in a picture."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import xml.etree.ElementTree as ElementTree
import zipfile
from email.parser import Parser
from pathlib import Path

import cv2
import pytest

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    from pip._vendor import tomli as tomllib

ROOT = Path(__file__).parent.parent
PARTS = ("digit_core", "digit_ros", "training", "pyproject.toml", "setup.py", "MANIFEST.in")
PARTS += ("README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff")
BUILD = (
    "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"
)
#: Modules that digit_core imports, by the name of their distribution.
MODULES = {"opencv-python": "cv2"}


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def built(what, source, folder):
    """What setuptools, called as pip calls it, makes of a source tree; nothing is downloaded."""
    command = [sys.executable, "-c", BUILD, f"build_{what}", str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.tar.gz" if what == "sdist" else "*.whl")
    return path


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """Built in a copy: setuptools leaves folders behind, and `build/` is colcon's here."""
    source = tmp_path_factory.mktemp("source")
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("*.pyc"))
        else:
            shutil.copy(ROOT / part, source / part)
    return built("sdist", source, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """Built from the sdist, so that the sdist lacks nothing."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(
            folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {})
        )
    (source,) = folder.iterdir()
    return built("wheel", source, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The interpreter of a fresh environment with the wheel; torch and the like are the suite's."""
    folder = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    install = ["-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([sys.executable, *install, str(wheel)], check=True, timeout=200)
    (site,) = folder.glob("lib/python3*/site-packages")
    (site / "suite.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def run(python, folder, *arguments):
    """In an empty folder and without PYTHONPATH: nothing of the checkout is found."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(python), *map(str, arguments)]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=250
    )


def test_the_wheel_holds_digit_core_alone(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    version = project()["version"]
    assert {name.split("/")[0] for name in names} == {
        "digit_core",
        f"digit_hands-{version}.dist-info",
    }
    assert "digit_core/weights/digit_lite.safetensors" in names
    assert "digit_core/weights/NOTICE.txt" in names  # the photos' licences ask for attribution
    ours = {str(path.relative_to(ROOT)) for path in (ROOT / "digit_core").rglob("*.py")}
    assert ours == {name for name in names if name.endswith(".py")}


def test_the_sdist_holds_what_a_reader_needs(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    assert {"README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "pyproject.toml"} <= names
    assert "digit_core/weights/NOTICE.txt" in names
    assert not [name for name in names if name.startswith(("training", "digit_ros"))]


def test_the_wheel_names_what_digit_core_imports(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    needed = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    needed = {re.match(r"[\w.-]+", line)[0] for line in needed}
    imported = set()
    for path in (ROOT / "digit_core").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(node.module.split(".")[0])
    imported -= {"digit_core", *sys.stdlib_module_names}
    assert {MODULES.get(name, name) for name in needed} == imported
    assert metadata["License-Expression"] == "Apache-2.0"


def test_the_installed_command_finds_hands_in_a_picture(installed, tmp_path):
    video = cv2.VideoCapture(str(ROOT / "clips" / "two_hands.mp4"))
    cv2.imwrite(str(tmp_path / "photo.png"), video.read()[1])
    done = run(installed, tmp_path, "-m", "digit_core", "photo.png", "--json", "-")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert {hand["side"] for hand in json.loads(line)["hands"]} == {"right", "left"}


def test_the_installed_package_is_the_wheel_s(installed, tmp_path):
    done = run(installed, tmp_path, "-c", "import digit_core; print(digit_core.__file__)")
    assert done.stdout.startswith(str(installed.parent.parent)), done.stderr
    assert run(installed, tmp_path, "-c", "import training").returncode == 1


def test_the_version_is_the_same_wherever_it_stands():
    version = project()["version"]
    assert ElementTree.parse(ROOT / "package.xml").findtext("version") == version
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE)[1] == version
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (\S+)", changes, re.MULTILINE)[1] == version
