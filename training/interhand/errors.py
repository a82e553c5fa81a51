# SPDX-License-Identifier: Apache-2.0
"""What is raised over data that cannot be used."""

from digit_core.printable import printable


class DataError(ValueError):
    """The message names the file or item, what was expected and what to do; one line a sentence."""

    def __init__(self, *sentences: str) -> None:
        super().__init__("\n".join(map(printable, sentences)))
