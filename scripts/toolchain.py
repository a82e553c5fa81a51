# SPDX-License-Identifier: Apache-2.0
"""The C and C++ compilers and Python headers that building the messages needs."""

import shutil
import sysconfig
from pathlib import Path


def check(venv: Path) -> None:
    """End with one sentence when something is missing."""
    missing = []
    if not (shutil.which("cc") and shutil.which("c++")):
        missing.append("a C and C++ compiler (Debian and Ubuntu: g++)")
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        missing.append("Python's headers (Debian and Ubuntu: python3-dev)")
    if missing:
        raise SystemExit(f"The message build needs {' and '.join(missing)}.")


def complete(venv: Path) -> None:
    """Nothing to fetch."""


def headers(venv: Path) -> Path:
    """The folder with Python.h."""
    return Path(sysconfig.get_path("include"))


def environment(venv: Path, env: "dict[str, str]") -> "dict[str, str]":
    """The environment that the compilers are run in."""
    return env
