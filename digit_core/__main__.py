# SPDX-License-Identifier: Apache-2.0
"""`python -m digit_core PHOTO_OR_VIDEO...`; see `digit_core.cli`."""

import sys

from digit_core.cli import main

sys.exit(main())
