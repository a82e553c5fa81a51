# SPDX-License-Identifier: Apache-2.0
"""Words from outside (names in files, other programs' errors) made fit for one line of a log."""

_MOST = 1200


def printable(text: str) -> str:
    """Control characters as escapes, so that no file forges lines; long texts lose their middle."""
    if len(text) > _MOST:
        text = f"{text[: _MOST // 2]} ... {text[-_MOST // 2 :]}"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
