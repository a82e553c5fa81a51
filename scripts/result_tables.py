# SPDX-License-Identifier: Apache-2.0
"""Write the tables of measured figures into the documents, from the JSON files in docs/results/.

    python scripts/result_tables.py            # writes them
    python scripts/result_tables.py --check    # fails where a document differs from the figures

A document marks a table's place by `<!-- table: NAME -->` and `<!-- end -->`; NAME.json holds

- `command`: what measures it; `machine`: what it was measured on; `date` where it is known,
  or else `committed`, the day on which the figures came into this repository; a `note` takes
  their place below the table;
- `columns`: titles, or [title, format] where cells hold several numbers, such as "{} mm ({})";
- `rows`: lists of cells: a text, a number, or a list for the column's format (or for the format
  that is its first item). An object {"of": NAME, "row": R, "column": C, "item": I} in such a list
  is that number of another file, so that each figure stands in one place.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_PLACE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_FORMAT = re.compile(r"\{\}")


class BadResult(ValueError):
    """A result file that cannot be shown; the text names it."""


def main(argv: "list[str] | None" = None) -> int:
    """Run the command; returns 0, or 1 where a document differs or a result is bad."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    args = parser.parse_args(argv)
    try:
        changed = different(args.root)
    except BadResult as error:
        print(f"result_tables: {error}", file=sys.stderr)
        return 1
    for page, text in changed.items():
        if not args.check:
            page.write_text(text, encoding="utf-8")
        print(f"{page}: {'differs from the results' if args.check else 'written'}")
    return 1 if args.check and changed else 0


def pages(root: Path) -> "list[Path]":
    """The documents that may hold tables."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def different(root: Path) -> "dict[Path, str]":
    """Documents whose tables are not those of the results, and their text with the right ones.

    Raises:
        BadResult: a result is missing or cannot be shown.
    """
    texts = {page: page.read_text(encoding="utf-8") for page in pages(root)}
    filled = {page: fill(text, root / "docs" / "results") for page, text in texts.items()}
    return {page: text for page, text in filled.items() if text != texts[page]}


def fill(text: str, folder: Path) -> str:
    """A document's text with every marked table made anew."""
    return _PLACE.sub(lambda found: found[1] + table(found[2], folder) + found[3], text)


def table(name: str, folder: Path) -> str:
    """The Markdown table of a result, and the line that names command, machine and date."""
    result = read(name, folder)
    columns = [column if isinstance(column, list) else [column, ""] for column in result["columns"]]
    lines = [_line(title for title, _ in columns), _line("---" for _ in columns)]
    for row in result["rows"]:
        if len(row) != len(columns):
            raise BadResult(f"{name}.json: a row of {len(row)} cells; expected {len(columns)}")
        cells = zip(row, columns, strict=True)
        lines.append(_line(_cell(name, cell, how, folder) for cell, (_, how) in cells))
    return "\n" + "\n".join(lines) + "\n\n" + _origin(result) + "\n"


def read(name: str, folder: Path) -> "dict[str, Any]":
    """A result file.

    Raises:
        BadResult: it is missing, no JSON, or lacks a part.
    """
    try:
        result: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadResult(f"{folder / name}.json: {error}") from error
    missing = {"command", "machine", "columns", "rows"} - set(result)
    if missing:
        raise BadResult(f"{name}.json: lacks {', '.join(sorted(missing))}")
    return result


def _line(cells: Any) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(name: str, cell: Any, how: str, folder: Path) -> str:
    if not isinstance(cell, list):
        return str(cell)
    if cell and isinstance(cell[0], str):
        how, *cell = cell
    numbers = [_number(one, folder) for one in cell]
    if how.count("{}") != len(numbers):
        raise BadResult(f"{name}.json: {cell} does not fit the format {how!r}")
    return how.format(*numbers)


def _number(one: Any, folder: Path) -> Any:
    if not isinstance(one, dict):
        return one
    cell = read(one["of"], folder)["rows"][one["row"]][one["column"]]
    return cell[one["item"]] if "item" in one else cell


def _origin(result: "dict[str, Any]") -> str:
    if "note" in result:
        return str(result["note"])
    day = result.get("date") or f"figures committed {result['committed']}"
    return f"`{result['command']}`; {result['machine']}; {day}."


if __name__ == "__main__":
    sys.exit(main())
