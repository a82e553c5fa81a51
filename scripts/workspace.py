# SPDX-License-Identifier: Apache-2.0
"""Build the ROS packages with colcon, and know when that is needed."""

import hashlib
import os
import subprocess
from pathlib import Path

#: Variables by which a sourced ROS distribution would get into the build and win over the wheels.
DISTRIBUTION_VARIABLES = (
    "PYTHONPATH",
    "PYTHONHOME",
    "LD_LIBRARY_PATH",
    "AMENT_PREFIX_PATH",
    "CMAKE_PREFIX_PATH",
    "COLCON_PREFIX_PATH",
    "ROS_DISTRO",
    "RMW_IMPLEMENTATION",
)

#: Files whose text the build reads; of the others, which are linked to, only the names matter.
_READ_BY_BUILD = (".msg", ".xml", ".txt", ".in", ".cmake")
_PARTS = (
    *("CMakeLists.txt", "package.xml", "scripts/node.in", "msg", "launch", "config", "clips"),
    *("digit_ros", "digit_core", "underlay"),
)


def clean_environment(venv: Path) -> "dict[str, str]":
    """This process's environment without any ROS distribution, and with the wheels of `venv`."""
    env = {k: v for k, v in os.environ.items() if k not in DISTRIBUTION_VARIABLES}
    env["VIRTUAL_ENV"] = env["AMENT_PREFIX_PATH"] = env["CMAKE_PREFIX_PATH"] = str(venv)
    env["PATH"] = f"{venv / 'bin'}{os.pathsep}{env.get('PATH', '')}"
    return env


def fingerprint(root: Path) -> str:
    """A digest that changes whenever the packages must be built again."""
    digest = hashlib.sha256(str(root).encode())
    for path in _inputs(root):
        digest.update(b"\0" + str(path.relative_to(root)).encode())
        if path.suffix in _READ_BY_BUILD:
            digest.update(b"\0" + path.read_bytes())
    return digest.hexdigest()


def _inputs(root: Path) -> "list[Path]":
    paths = []
    for part in _PARTS:
        if (root / part).is_file():
            paths.append(root / part)
        for folder, folders, files in os.walk(root / part):
            folders[:] = [name for name in folders if name != "__pycache__"]
            paths += [Path(folder) / name for name in files if not name.endswith(".pyc")]
    return sorted(paths)


def build(root: Path, venv: Path, suffix: str, env: "dict[str, str]", headers: Path) -> None:
    """Build the root package and the underlay; colcon's words are shown only when it fails.

    Args:
        root: the checkout.
        venv: the virtual environment with the ROS wheels.
        suffix: ends the names of the build and install folders, so that distributions keep apart.
        env: the environment to build in.
        headers: the folder with Python.h.
    """
    build_base = root / f"build{suffix}"
    command = [str(venv / "bin" / "python"), "-m", "colcon", "--log-base", str(build_base / "log")]
    command += ["build", "--base-paths", str(root), str(root / "underlay"), "--symlink-install"]
    command += ["--build-base", str(build_base), "--install-base", str(root / f"install{suffix}")]
    command += ["--cmake-args", "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_TESTING=OFF"]
    command += [f"-DPython3_EXECUTABLE={venv / 'bin' / 'python'}"]
    command += [f"-DPython3_INCLUDE_DIR={headers}"]
    result = subprocess.run(
        command, cwd=root, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if result.returncode != 0:
        print(result.stdout)
        raise SystemExit(f"The ROS packages do not build; logs: {build_base / 'log' / 'latest'}")
