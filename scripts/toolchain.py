# SPDX-License-Identifier: Apache-2.0
"""What building the messages needs beside a C compiler: a C++ compiler and Python's headers.

ROS generates C++ for every message, and a Python extension. A machine with gcc alone lacks both;
on Debian and Ubuntu they are then unpacked into the virtual environment from the distribution's
own packages, which needs no rights and installs nothing on the system.
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

_TRIPLE = "x86_64-linux-gnu"
_VERSION = "{}.{}".format(*sys.version_info)
_HEADERS = Path(sysconfig.get_path("include"))
_DEBIAN_HEADERS = Path(f"/usr/include/python{_VERSION}")


def check() -> None:
    """End with one sentence when there is no C compiler, or what is missing cannot be fetched."""
    if not _links():
        raise SystemExit(
            "A C compiler that builds programs is needed; on Debian and Ubuntu run "
            "'apt-get install gcc libc6-dev', then make again."
        )
    fetchable = shutil.which("apt-get") and shutil.which("dpkg-deb")
    if not shutil.which("c++") and not (fetchable and shutil.which("gcc")):
        raise SystemExit(_please("a C++ compiler"))
    if not _has_headers() and not (fetchable and _HEADERS == _DEBIAN_HEADERS):
        raise SystemExit(_please(f"the headers of Python {_VERSION} in {_HEADERS}"))


def complete(venv: Path) -> None:
    """Fetch what this machine lacks into `venv`/toolchain."""
    folder = venv / "toolchain"
    if not _has_headers() and not headers(venv).is_dir():
        print("Fetching Python's headers", flush=True)
        _unpack(folder, [f"libpython{_VERSION}-dev"], "Python's headers")
    if not shutil.which("c++") and not (folder / "bin" / "c++").exists():
        print("Fetching the C++ compiler", flush=True)
        _fetch_compiler(folder)


def headers(venv: Path) -> Path:
    """The folder with Python.h."""
    return _HEADERS if _has_headers() else venv / "toolchain" / str(_DEBIAN_HEADERS)[1:]


def environment(venv: Path, env: "dict[str, str]") -> "dict[str, str]":
    """`env` with the variables by which compilers find what was fetched."""
    folder, env = venv / "toolchain", dict(env)
    if not _has_headers():
        # Debian's pyconfig.h includes another one by its folder's name.
        env["C_INCLUDE_PATH"] = env["CPLUS_INCLUDE_PATH"] = str(folder / "usr" / "include")
    if not shutil.which("c++"):
        env["CXX"] = str(folder / "bin" / "c++")
    return env


def _links() -> bool:
    """Does cc build a program? Without the C library's files it compiles but does not link."""
    if not shutil.which("cc"):
        return False
    command = ["cc", "-x", "c", "-", "-o", "/dev/null"]
    return subprocess.run(command, input=b"int main(){}", capture_output=True).returncode == 0


def _has_headers() -> bool:
    return (_HEADERS / "Python.h").is_file()


def _please(what: str) -> str:
    return (
        f"Building the ROS messages needs {what}, which this machine lacks and which could not be "
        "fetched; on Debian and Ubuntu run 'apt-get install g++ python3-dev', then make again."
    )


def _fetch_compiler(folder: Path) -> None:
    """Unpack gcc's C++ half of the version that is installed, and write bin/c++ that runs it."""
    version = _ask_gcc("-dumpversion").split(".")[0]
    packages = [f"g++-{version}", f"libstdc++-{version}-dev"]
    # Newer distributions keep the compiler proper in a package of the processor's name.
    extra = f"g++-{version}-{_TRIPLE.replace('_', '-')}"
    _unpack(folder, packages, "a C++ compiler", optional=[extra])
    found = _ask_gcc("-print-file-name=libstdc++.so.6")
    compilers = list((folder / "usr").glob(f"lib*/gcc/{_TRIPLE}/{version}/cc1plus"))
    if not compilers or not Path(found).exists():
        raise SystemExit(_please("a C++ compiler"))
    (folder / "bin").mkdir(exist_ok=True)
    library = folder / "bin" / "libstdc++.so"
    library.unlink(missing_ok=True)
    library.symlink_to(found)
    _write_driver(folder / "bin" / "c++", compilers[0].parent, folder / "usr" / "include", version)


def _ask_gcc(question: str) -> str:
    result = subprocess.run(["gcc", question], capture_output=True, text=True, check=True)
    return result.stdout.strip()


def _write_driver(path: Path, compiler: Path, include: Path, version: str) -> None:
    """A c++ command: the system's gcc with the fetched compiler, headers and library."""
    folders = (f"c++/{version}", f"{_TRIPLE}/c++/{version}", f"c++/{version}/backward")
    flags = " ".join(f"-isystem '{include / name}'" for name in folders)
    path.write_text(
        f"#!/bin/sh\nexec gcc -B'{compiler}' {flags} \"$@\" -L'{path.parent}' -lstdc++ -lm\n"
    )
    path.chmod(0o755)


def _unpack(folder: Path, packages: "list[str]", what: str, optional: "list[str] | None" = None):
    """Download Debian packages and unpack them into `folder`, with the user's rights only."""
    downloads = folder / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    lists = _private_lists(folder)
    if not _download([], packages, downloads) and not _download(lists, packages, downloads):
        _apt([*lists, "update"], downloads)
        if not _download(lists, packages, downloads):
            raise SystemExit(_please(what))
    for name in optional or []:
        _download([], [name], downloads) or _download(lists, [name], downloads)
    for package in downloads.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(package), str(folder)], check=True)
    shutil.rmtree(downloads)


def _private_lists(folder: Path) -> "list[str]":
    """Options by which apt keeps package lists of our own: the system's may be old or absent."""
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return ["-o", f"Dir::State::lists={folder / 'lists'}", "-o", f"Dir::Cache={folder / 'cache'}"]


def _download(options: "list[str]", packages: "list[str]", folder: Path) -> bool:
    """Download packages into `folder`; did it work?"""
    return _apt([*options, "download", *packages], folder) == 0


def _apt(words: "list[str]", folder: Path) -> int:
    """Run apt-get, its words into `folder`'s apt.log; its exit code."""
    with open(folder.parent / "apt.log", "ab") as log:
        command = ["apt-get", "-q", "-o", "Acquire::Retries=3", *words]
        return subprocess.run(command, cwd=folder, stdout=log, stderr=log).returncode
