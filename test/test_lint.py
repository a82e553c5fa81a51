# SPDX-License-Identifier: Apache-2.0
"""The code's form: ruff, mypy, licences, what package.xml must have."""

import ast
import re
import shutil
import subprocess
import sys
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
#: What may say under which licence it is, by the end of its name.
COMMENTED = (".py", ".cpp", ".msg", ".yaml", ".yml", ".xml", ".urdf", ".rviz", ".toml", ".in")
COMMENTED += ("CMakeLists.txt", "Makefile", "ros-env", "run", "Dockerfile", ".sh", ".cff")
PLACES = ("", ".ci", ".github/workflows", ".github/ISSUE_TEMPLATE", "config", "config/robots")
PLACES += ("docker", "msg", *FOLDERS)
LICENCES = {"config/robots": "CC0-1.0"}
#: Package format 3 (REP 149): the order of its schema, and what must be there.
ORDER = ("name", "version", "description", "maintainer", "license", "url", "author", "*depend")
ORDER += ("member_of_group", "export")
REQUIRED = ORDER[:5]
DEPENDS = ("build", "build_export", "buildtool", "buildtool_export", "exec", "doc", "test")
DEPENDS = {"depend", *(f"{kind}_depend" for kind in DEPENDS)}
ADDRESS = r"[\w%+-]+(\.[\w%+-]+)*@[A-Za-z0-9%-]+(\.[A-Za-z0-9%-]+)*\.[A-Za-z]{2,}"


#: Imported by digit_ros: ours and from PyPI; and what may be there or not.
NOT_OF_ROS = {"digit_core", "digit_ros", "cv2", "numpy", "torch", "rosbags", "tqdm", "rerun"}
NOT_OF_ROS |= {"rerun_cli", "dex_retargeting", "openvino", "safetensors"}
OPTIONAL = {"vision_msgs"}
#: Dependencies of package.xml: the module's name where it is another, and those without one.
MODULES = {"python3-numpy": "numpy", "python3-opencv": "cv2", "tf2_ros_py": "tf2_ros"}
WITHOUT_A_MODULE = {"rosidl_default_runtime"}


def run(*command):
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250)


@pytest.mark.parametrize("arguments", [("check",), ("format", "--check")], ids=" ".join)
def test_ruff(arguments):
    done = run("ruff", *arguments, ".")
    assert done.returncode == 0, done.stdout + done.stderr


def test_types():
    """Strict on digit_core and digit_ros, see pyproject.toml."""
    done = run("mypy")
    assert done.returncode == 0, done.stdout + done.stderr


def commented(place):
    """Files of a place; of the root and of those about it, what lies there and not below."""
    below = (ROOT / place).rglob("*") if place in FOLDERS else (ROOT / place).glob("*")
    return [p for p in below if p.is_file() and p.name.endswith(COMMENTED)]


@pytest.mark.parametrize("place", PLACES)
def test_every_file_says_its_licence(place):
    header = f"SPDX-License-Identifier: {LICENCES.get(place, 'Apache-2.0')}"
    paths = commented(place)
    assert paths
    assert not [p for p in paths if header not in "".join(p.read_text().splitlines()[:4])]


PACKAGES = [ROOT / "package.xml", *sorted((ROOT / "underlay").glob("*/package.xml"))]


@pytest.mark.parametrize("path", PACKAGES, ids=lambda p: p.parent.name)
def test_package_xml(path):
    root = ElementTree.parse(path).getroot()
    assert (root.tag, root.attrib) == ("package", {"format": "3"})
    tags = ["*depend" if e.tag in DEPENDS else e.tag for e in root]
    assert tags == sorted(tags, key=ORDER.index), f"{path}: out of order"
    assert set(REQUIRED) <= set(tags)
    for tag in ("name", "version", "description", "export"):
        assert tags.count(tag) <= 1, f"{path}: {tag} twice"
    assert all((e.text or "").strip() or len(e) for e in root), f"{path}: something is empty"
    assert re.fullmatch("[a-z](_?[a-z0-9]+)*", root.findtext("name"))
    assert re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", root.findtext("version"))
    assert all(re.fullmatch(ADDRESS, e.get("email", "")) for e in root.findall("maintainer"))
    assert [e.text for e in root.findall("license")] == ["Apache-2.0"]
    named = [(e.tag, e.text) for e in root if e.tag in DEPENDS]
    assert named and len(named) == len(set(named)), f"{path}: a dependency is named twice"


@pytest.mark.parametrize("path", PACKAGES, ids=lambda p: p.parent.name)
def test_package_xml_as_ros_reads_it(path):
    """catkin_pkg is what colcon and rosdep read it with."""
    package = pytest.importorskip("catkin_pkg.package")
    warnings = []
    found = package.parse_package(str(path), warnings=warnings)
    found.validate(warnings=warnings)
    assert not warnings
    assert found.get_build_type() == "ament_cmake"


def imports(tree):
    """First words of what a module imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.split(".")[0]


def imported_by_the_product():
    files = [*(ROOT / "digit_ros").rglob("*.py"), *(ROOT / "launch").glob("*.py")]
    files += (ROOT / "digit_core").rglob("*.py")
    return {name for path in files for name in imports(ast.parse(path.read_text()))}


def test_what_the_code_imports_of_ros_is_named_in_package_xml():
    named = {e.text for e in ElementTree.parse(ROOT / "package.xml").getroot()}
    imported = imported_by_the_product()
    assert {"rclpy", "sensor_msgs", "launch_ros"} <= imported
    imported = {"tf2_ros_py" if name == "tf2_ros" else name for name in imported}
    assert imported - named - sys.stdlib_module_names - NOT_OF_ROS == OPTIONAL


def test_what_package_xml_names_for_running_is_imported():
    root = ElementTree.parse(ROOT / "package.xml").getroot()
    named = {e.text for e in root if e.tag in ("exec_depend", "depend")} - WITHOUT_A_MODULE
    assert len(named) > 15
    assert {MODULES.get(name, name) for name in named} - imported_by_the_product() == set()
