# SPDX-License-Identifier: Apache-2.0
"""The set-up: what it rewrites, what it says when pip fails, when it builds, what it builds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import cmake_paths  # noqa: E402
import wheels  # noqa: E402
import workspace  # noqa: E402

BUILDER = "/opt/python/cp311-cp311"


def test_cmake_paths_of_the_wheels_are_rewritten_once(tmp_path):
    share = tmp_path / "share" / "std_msgs" / "cmake"
    share.mkdir(parents=True)
    exported = share / "exportConfig.cmake"
    exported.write_text(
        f'set(DIRS "{BUILDER}/include/python3.11;'
        f'{BUILDER}/lib/python3.11/site-packages/numpy/_core/include;${{prefix}}/include")\n'
    )
    assert cmake_paths.rewrite_all(tmp_path, "/usr/include/python3.11", "/venv/numpy") == 1
    assert (
        exported.read_text()
        == 'set(DIRS "/usr/include/python3.11;/venv/numpy;${prefix}/include")\n'
    )
    assert cmake_paths.rewrite_all(tmp_path, "/usr/include/python3.11", "/venv/numpy") == 0


@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        ("[Errno 28] No space left on device", "the disk is full"),
        ("NewConnectionError: Temporary failure in name resolution", "cannot be reached"),
        ("ReadTimeoutError: Read timed out.", "cannot be reached or the connection is too weak"),
        ("ERROR: No matching distribution found for torch==9.9", "has no torch==9.9 for Python"),
        ("ERROR: Something else\n", "Something else"),
        ("", "no word was said"),
    ],
)
def test_a_failed_pip_is_one_sentence(log, sentence):
    said = wheels.failure(log, Path("/venv/pip.log"))
    assert sentence in said
    assert "/venv/pip.log" in said and "\n" not in said


def test_without_a_network_make_says_so_and_leaves_no_traceback(tmp_path):
    """A real pip against an index that nobody serves."""
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("a-package-that-is-nowhere==1.0\n")
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import pathlib, wheels; "
        "p = pathlib.Path(sys.argv[2]); c = p / 'constraints.txt'; c.touch(); "
        "wheels.install(pathlib.Path(sys.executable), [p / 'requirements.txt'], c, p / 'pip.log')"
    )
    offline = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_EXTRA_INDEX_URL": ""}
    offline |= {"PIP_RETRIES": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
    result = subprocess.run(
        [sys.executable, "-c", program, str(ROOT / "scripts"), str(tmp_path)],
        env={**os.environ, **offline},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 1
    assert "the package index cannot be reached" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.fixture
def checkout(tmp_path):
    for name, text in {
        "CMakeLists.txt": "project(x)",
        "msg/A.msg": "bool a",
        "digit_ros/a.py": "1",
        "underlay/p/package.xml": "<package/>",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_build_again_only_when_it_matters(checkout):
    before = workspace.fingerprint(checkout)
    (checkout / "digit_ros" / "a.py").write_text("2")  # linked to, not copied
    (checkout / "digit_ros" / "__pycache__").mkdir()
    (checkout / "digit_ros" / "__pycache__" / "a.pyc").write_text("")
    (checkout / "README.md").write_text("")
    assert workspace.fingerprint(checkout) == before
    (checkout / "digit_ros" / "b.py").write_text("")
    with_new_file = workspace.fingerprint(checkout)
    (checkout / "msg" / "A.msg").write_text("bool b")
    assert len({before, with_new_file, workspace.fingerprint(checkout)}) == 3


def test_a_sourced_distribution_does_not_get_into_the_build(monkeypatch):
    for name in workspace.DISTRIBUTION_VARIABLES:
        monkeypatch.setenv(name, "/opt/ros/jazzy")
    env = workspace.clean_environment(Path("/venv"))
    assert "/opt/ros/jazzy" not in env.values()
    assert env["AMENT_PREFIX_PATH"] == "/venv" and env["PATH"].startswith("/venv/bin:")


def test_a_sourced_distribution_does_not_get_into_commands():
    env = {**os.environ, "PYTHONPATH": "/opt/ros/x", "AMENT_PREFIX_PATH": "/opt/ros/x"}
    env |= {"LD_LIBRARY_PATH": "/opt/ros/x", "ROS_DISTRO": "x", "RMW_IMPLEMENTATION": "x"}
    said = subprocess.run(
        [ROOT / "scripts" / "ros-env", "env"], env=env, capture_output=True, text=True, check=True
    ).stdout
    assert "/opt/ros/x" not in said
    assert "RMW_IMPLEMENTATION=rmw_fastrtps_cpp" in said


def colcon_packages(*arguments, cwd):
    result = subprocess.run(
        [sys.executable, "-m", "colcon", "--log-base", os.devnull, "list", "--names-only"]
        + [str(argument) for argument in arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.split()


def test_plain_colcon_sees_the_root_package_alone(tmp_path):
    assert colcon_packages(cwd=ROOT) == ["digit_ros"]
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "digit").symlink_to(ROOT)
    assert colcon_packages(cwd=tmp_path) == ["digit_ros"]


def test_underlay_is_seen_when_asked_for():
    seen = colcon_packages("--base-paths", ROOT, ROOT / "underlay", cwd=ROOT)
    underlay = {"tf2_msgs", "tf2_ros_py", "cv_bridge", "sensor_msgs_py", "tf_transformations"}
    assert set(seen) == {"digit_ros"} | underlay


def test_nothing_has_a_malformed_manifest():
    """A malformed one silently turns a package into plain cmake."""
    result = subprocess.run(
        [sys.executable, "-m", "colcon", "--log-base", os.devnull, "list", "--base-paths", ROOT]
        + [ROOT / "underlay"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert all("(ros.ament_cmake)" in line for line in result.stdout.strip().splitlines())


def test_no_init_file_where_it_would_hide_a_package():
    assert not (ROOT / "digit_ros" / "__init__.py").exists()
    assert not list((ROOT / "test").rglob("__init__.py"))
