# SPDX-License-Identifier: Apache-2.0
"""The table of part labels in docs/labels.md is that of the code."""

from pathlib import Path

from digit_core.parts import NUM_PARTS, PALETTE, label_names

TABLE = Path(__file__).parents[2] / "docs" / "labels.md"


def test_table_is_that_of_the_code():
    rows = [line for line in TABLE.read_text().splitlines() if line[:3].strip("| ").isdigit()]
    names_colors = zip(label_names(), PALETTE.tolist(), strict=True)
    wanted = [f"| {i} | {n} | {r}, {g}, {b} |" for i, (n, (r, g, b)) in enumerate(names_colors)]
    assert rows == wanted and len(rows) == NUM_PARTS


def test_colors_tell_all_labels_apart():
    assert len({tuple(color) for color in PALETTE.tolist()}) == NUM_PARTS
