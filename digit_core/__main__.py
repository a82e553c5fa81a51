# SPDX-License-Identifier: Apache-2.0
"""`python -m digit_core PHOTO_OR_VIDEO...`; see `digit_core.cli`."""

import sys

from digit_core.opencv_library import OpenCvLibraryError, explained

try:
    with explained():
        from digit_core.cli import main
except OpenCvLibraryError as error:
    sys.exit(f"digit_core: {error}")

sys.exit(main())
