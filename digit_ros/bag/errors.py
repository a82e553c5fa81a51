# SPDX-License-Identifier: Apache-2.0
"""Why a recording cannot be worked on."""


class BagError(Exception):
    """The text is one sentence that names the file, topic or option and what was expected."""
