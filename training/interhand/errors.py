# SPDX-License-Identifier: Apache-2.0
"""What is raised over data that cannot be used."""


class DataError(ValueError):
    """The message names the file or item, what was expected and what to do."""
