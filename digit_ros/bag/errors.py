# SPDX-License-Identifier: Apache-2.0
"""Why a recording cannot be worked on."""

from digit_core.printable import printable


class BagError(Exception):
    """The text is one sentence that names the file, topic or option and what was expected."""

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(sentence))
