# SPDX-License-Identifier: Apache-2.0
"""One sentence for a machine on which OpenCV is installed and lacks a system library."""

import contextlib
import re
from collections.abc import Iterator

_MISSING = re.compile(r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object file")


class OpenCvLibraryError(ImportError):
    """OpenCV cannot load a system library; the text names it and both remedies."""


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Imports inside raise `OpenCvLibraryError` where OpenCV lacks a system library.

    Raises:
        OpenCvLibraryError: OpenCV cannot load a system library.
    """
    try:
        yield
    except ImportError as error:
        found = _MISSING.search(str(error))
        if error.name != "cv2" or not found:
            raise
        raise OpenCvLibraryError(sentence(found[1]), name="cv2") from None


def sentence(library: str) -> str:
    """The cause and both remedies.

    >>> sentence("libGL.so.1")[:51]
    'OpenCV cannot load the system library libGL.so.1: i'
    """
    return (
        f"OpenCV cannot load the system library {library}: install the library (on Debian and"
        " Ubuntu: apt install libgl1), or replace OpenCV by the wheel that needs none (pip"
        ' uninstall opencv-python; pip install "opencv-python-headless>=4.10,<5")'
    )
