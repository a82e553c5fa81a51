# SPDX-License-Identifier: Apache-2.0
"""Point the CMake files of the ROS wheels at this interpreter.

The files that the wheels export carry the Python and NumPy include folders of the machine that
built the wheels; a package that is built against them would look there.
"""

import re
import sysconfig
from pathlib import Path

import numpy

_BUILDER = r"/opt/python/cp\d+-cp\d+t?"
_NUMPY = re.compile(_BUILDER + r"/lib/python[\d.]+t?/site-packages/numpy/_core/include")
_PYTHON = re.compile(_BUILDER + r"/include/python[\d.]+t?")


def rewrite(text: str, python_include: str, numpy_include: str) -> str:
    """Replace both folders of the wheels' builder in one CMake file's text."""
    text = _NUMPY.sub(lambda _: numpy_include, text)
    return _PYTHON.sub(lambda _: python_include, text)


def rewrite_all(share: Path, python_include: str, numpy_include: str) -> int:
    """Rewrite every CMake file under `share`; give back how many changed."""
    changed = 0
    for path in sorted(share.rglob("*.cmake")):
        old = path.read_text(encoding="utf-8", errors="surrogateescape")
        new = rewrite(old, python_include, numpy_include)
        if new != old:
            path.write_text(new, encoding="utf-8", errors="surrogateescape")
            changed += 1
    return changed


if __name__ == "__main__":
    import sys

    include = sysconfig.get_path("include") if len(sys.argv) < 2 else sys.argv[1]
    rewrite_all(Path(sys.prefix) / "share", include, numpy.get_include())
