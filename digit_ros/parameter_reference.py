# SPDX-License-Identifier: Apache-2.0
"""Write docs/parameters.md and config/digit.yaml from the tables of parameters in the code.

python -m digit_ros.parameter_reference            # in the checkout; writes both files
python -m digit_ros.parameter_reference --check    # fails where a file differs from the code
"""

import argparse
import json
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import ParameterType

from digit_ros.parameters import Parameters
from digit_ros.player.parameters import PlayerParameters
from digit_ros.retarget.parameters import RetargetParameters

NODES = {
    "digit_node": Parameters,
    "player_node": PlayerParameters,
    "retarget_node": RetargetParameters,
}
_TYPES = {
    ParameterType.PARAMETER_BOOL: "bool",
    ParameterType.PARAMETER_INTEGER: "integer",
    ParameterType.PARAMETER_DOUBLE: "double",
    ParameterType.PARAMETER_STRING: "string",
    ParameterType.PARAMETER_STRING_ARRAY: "string array",
    ParameterType.PARAMETER_NOT_SET: "several",
}
_COLUMNS = 100

_PAGE = """# Parameters

Generated from the tables in the code by `python -m digit_ros.parameter_reference`. To change a row,
edit `parameters.py` in `digit_ros/`, `digit_ros/player/` or `digit_ros/retarget/`.

A node reads its parameters at start. A **live** parameter can also change while the node runs
(`ros2 param set /digit hold_s 0.2`); the others are read-only then. A refused value is reported
with the parameter's name, the value and the allowed range. `config/digit.yaml` holds the parameters
of `digit_node` with their defaults.
"""
_FILE = """# SPDX-License-Identifier: Apache-2.0
# Every parameter of digit_node with its default. Generated from digit_ros/parameters.py by
# `python -m digit_ros.parameter_reference`; copy this file to change values.
# A live parameter can change while the node runs (ros2 param set).
/**:
  ros__parameters:
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 0, or 1 where a file differs or cannot be written."""
    parser = argparse.ArgumentParser(
        prog="python -m digit_ros.parameter_reference", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--check", action="store_true", help="compare the files, write nothing")
    parser.add_argument("--root", type=Path, default=Path(), help="the checkout (default: here)")
    args = parser.parse_args(argv)
    try:
        differing = different(args.root)
        for name, text in ({} if args.check else differing).items():
            (args.root / name).write_text(text, encoding="utf-8")
    except OSError as error:
        print(f"parameter_reference: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    for name in differing:
        print(f"{name}: {'differs from the code' if args.check else 'written'}")
    return 1 if args.check and differing else 0


def rendered() -> dict[str, str]:
    """The text of each generated file, by its path in the checkout."""
    return {"docs/parameters.md": reference_page(), "config/digit.yaml": parameter_file()}


def different(root: Path) -> dict[str, str]:
    """Of `rendered`, the files of a checkout that are missing or have another text."""

    def text_of(path: Path) -> str | None:
        return path.read_text(encoding="utf-8") if path.is_file() else None

    return {name: text for name, text in rendered().items() if text_of(root / name) != text}


def reference_page() -> str:
    """docs/parameters.md: one table for each node and section."""
    return _PAGE + "".join(line + "\n" for line in _page_lines())


def parameter_file() -> str:
    """config/digit.yaml: every parameter of digit_node, commented."""
    return _FILE + "\n".join(_file_lines())


def type_name(row: Field[Any]) -> str:
    """ROS's name of a parameter's type; "several" where more than one is allowed."""
    return _TYPES[row.metadata["rule"].kind]


def _page_lines() -> Iterator[str]:
    for node, table in NODES.items():
        yield from ("", f"## {node}")
        for number, row in enumerate(fields(table)):
            section = row.metadata["section"]
            if section:
                yield from ("", f"### {section}")
            if section or not number:
                yield from ("", "| name | type | default | range | live | |")
                yield "| --- | --- | --- | --- | --- | --- |"
            yield _table_row(row)


def _table_row(row: Field[Any]) -> str:
    live = "live" if row.metadata["live"] else ""
    cells = [f"`{row.name}`", type_name(row), f"`{_yaml(row)}`", row.metadata["rule"].allowed]
    return f"| {' | '.join([*cells, live, row.metadata['description']])} |"


def _file_lines() -> Iterator[str]:
    for row in fields(Parameters):
        if row.metadata["section"]:
            yield from (f"    # ---- {row.metadata['section']}", "")
        about = [f"{type_name(row)}, {row.metadata['rule'].allowed}"]
        about += ["live"] if row.metadata["live"] else []
        for text in (row.metadata["description"], "; ".join(about)):
            yield from textwrap.wrap(
                text, _COLUMNS, initial_indent="    # ", subsequent_indent="    # "
            )
        yield from (f"    {row.name}: {_yaml(row)}", "")


def _yaml(row: Field[Any]) -> str:
    """A default as YAML reads it; JSON's form of these types is YAML's, too."""
    return json.dumps(row.default)


if __name__ == "__main__":
    sys.exit(main())
