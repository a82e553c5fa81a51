# SPDX-License-Identifier: Apache-2.0
"""Set up everything that `make demo` and `make test` stand on: read this file first.

1. a compiler and Python's headers are there, or are fetched (toolchain.py);
2. a virtual environment holds the pinned wheels, ROS 2 among them (wheels.py);
3. the wheels' CMake files point at this interpreter (cmake_paths.py);
4. colcon has built the packages (workspace.py).

Each step leaves a stamp with a digest of what went in, so a second run does nothing. Runs with the
system's Python and its standard library alone.
"""

import contextlib
import fcntl
import hashlib
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import toolchain
import wheels
import workspace

ROOT = Path(__file__).resolve().parent.parent
DISTRIBUTIONS = ("kilted", "jazzy")


def main() -> None:
    """Bring the environment of the distribution named by $ROS up to date."""
    start = time.monotonic()
    ros = os.environ.get("ROS") or "kilted"
    check_machine(ros)
    suffix = "" if ros == "kilted" else f"-{ros}"
    venv = ROOT / f".venv{suffix}"
    with one_at_a_time():
        did = install_wheels(venv, ros)
        did |= build_packages(venv, suffix)
    if did:
        print(f"Set-up took {time.monotonic() - start:.0f} s.", flush=True)


def check_machine(ros: str) -> None:
    """End with one sentence when this machine cannot do it at all."""
    if ros not in DISTRIBUTIONS:
        raise SystemExit(f"ROS={ros} is not known; choose one of {', '.join(DISTRIBUTIONS)}.")
    if not (3, 10) <= sys.version_info[:2] <= (3, 14):
        raise SystemExit(
            f"{sys.executable} is Python {platform.python_version()}; 3.10 to 3.14 is needed "
            "(make PYTHON=python3.12 names another)."
        )
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise SystemExit(
            "The ROS 2 wheels exist for x86-64 Linux only; elsewhere build this package with "
            "colcon in a workspace of an installed ROS 2 distribution."
        )


@contextlib.contextmanager
def one_at_a_time():
    """Hold a lock, so that two makes in one checkout do not build into the same folders."""
    folder = os.open(ROOT / "scripts", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def install_wheels(venv: Path, ros: str) -> bool:
    """Install the pinned wheels where they are not; true when something was done."""
    names = ("core", "training", "bag", "test", "build", f"ros-{ros}")
    requirements = [ROOT / "requirements" / f"{name}.txt" for name in names]
    constraints = ROOT / "requirements" / f"lock-{ros}.txt"
    stamp, python = venv / ".digit-wheels", venv / "bin" / "python"
    inputs = [*requirements, constraints, ROOT / "scripts" / "cmake_paths.py"]
    wanted = digest(str(venv).encode(), *[path.read_bytes() for path in inputs])
    if read(stamp) == wanted and python.exists():
        return False
    toolchain.check()
    print(f"Installing PyTorch and ROS 2 {ros.capitalize()} into {venv.name}", flush=True)
    if not runs(python):
        wheels.create(venv)
    toolchain.complete(venv)
    wheels.install(python, requirements, constraints, venv / "pip.log")
    subprocess.run(
        [str(python), str(ROOT / "scripts" / "cmake_paths.py"), str(toolchain.headers(venv))],
        check=True,
    )
    stamp.write_text(wanted)
    return True


def build_packages(venv: Path, suffix: str) -> bool:
    """Build with colcon when an input changed; true when something was done."""
    stamp = ROOT / f"build{suffix}" / ".digit-inputs"
    wanted = digest(read(venv / ".digit-wheels").encode(), workspace.fingerprint(ROOT).encode())
    if read(stamp) == wanted and (ROOT / f"install{suffix}").is_dir():
        return False
    print("Building the ROS packages", flush=True)
    env = toolchain.environment(venv, workspace.clean_environment(venv))
    try:
        workspace.build(ROOT, venv, suffix, env, toolchain.headers(venv))
    except BaseException:
        stamp.unlink(missing_ok=True)  # half a build serves nobody
        raise
    stamp.write_text(wanted)
    return True


def runs(python: Path) -> bool:
    """Does this interpreter exist and run? A moved or half-made environment does not."""
    if not python.exists():
        return False
    result = subprocess.run([str(python), "-m", "pip", "--version"], capture_output=True)
    return result.returncode == 0


def digest(*parts: bytes) -> str:
    """SHA-256 of the parts in order, hexadecimal."""
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def read(path: Path) -> str:
    """A stamp's text; empty when there is none."""
    return path.read_text() if path.is_file() else ""


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit("Interrupted; run make again to go on.") from None
