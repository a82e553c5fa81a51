# SPDX-License-Identifier: Apache-2.0
"""Where OpenCV lacks libGL: one sentence with both remedies, from a library and from a command.

The failure is the dynamic loader's own: a module cv2 is compiled against a library that is removed.
"""

import os
import shutil
import subprocess
import sys

import pytest

COMPILER = shutil.which(os.environ.get("CXX", "c++"))
REMEDIES = ("apt install libgl1", "opencv-python-headless")
#: A name that no machine has: libGL.so.1 itself may be installed.
LIBRARY = "libGL-absent.so.1"


@pytest.fixture(scope="module")
def without_libgl(tmp_path_factory):
    """An environment in which `import cv2` ends as without libGL."""
    if COMPILER is None:
        pytest.skip("no compiler")
    folder = tmp_path_factory.mktemp("cv2")
    (folder / "empty.cpp").write_text('extern "C" void nothing() {}')
    library = folder / LIBRARY
    build = [COMPILER, "-shared", "-fPIC", str(folder / "empty.cpp")]
    subprocess.run([*build, "-o", str(library), f"-Wl,-soname,{LIBRARY}"], check=True)
    linked = ["-Wl,--no-as-needed", str(library)]
    subprocess.run([*build, "-o", str(folder / "cv2.so"), *linked], check=True)
    library.unlink()
    return {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


def run(environment, *arguments):
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)


def test_the_loader_names_the_library(without_libgl):
    """What the sentence is made from."""
    done = run(without_libgl, "-c", "import cv2")
    assert f"ImportError: {LIBRARY}: cannot open shared object file" in done.stderr


@pytest.mark.parametrize("name", ["Camera", "DigitEstimator", "draw_hands"])
def test_a_library_s_user_gets_one_sentence(without_libgl, name):
    done = run(without_libgl, "-c", f"from digit_core import {name}")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("digit_core.opencv_library.OpenCvLibraryError: OpenCV cannot load")
    assert LIBRARY in last and all(remedy in last for remedy in REMEDIES)
    assert "another exception" not in done.stderr


def test_a_command_says_one_sentence_and_no_traceback(without_libgl):
    done = run(without_libgl, "-m", "digit_core", "photo.jpg")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith(f"digit_core: OpenCV cannot load the system library {LIBRARY}:")
    assert done.stderr.count("\n") == 1 and all(remedy in done.stderr for remedy in REMEDIES)


def test_another_import_that_fails_is_left_alone(tmp_path):
    (tmp_path / "cv2.py").write_text("raise ImportError('of another kind', name='cv2')")
    path = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    done = run({**os.environ, "PYTHONPATH": path}, "-c", "from digit_core import Camera")
    assert done.stderr.splitlines()[-1] == "ImportError: of another kind"
