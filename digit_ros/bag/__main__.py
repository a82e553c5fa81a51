# SPDX-License-Identifier: Apache-2.0
"""Hands for a recording: `python -m digit_ros.bag IN OUT`; no running ROS graph is needed.

Reads the rosbag2 IN (a folder, .mcap or .db3), estimates the hands of every image, and writes the
bag OUT: all that IN has, and beside each image what digit_node would have published for it, with
the image's stamps. Nothing is dropped: every image is answered, as fast as the machine can.

What is estimated is kept in OUT.part until OUT is whole; the same command goes on from there.
"""

import argparse
import sys
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import ParameterType

from digit_ros.bag.errors import BagError
from digit_ros.parameter_table import BadParameter, checked
from digit_ros.parameters import Parameters

#: Parameters of digit_node that mean nothing for a recording; all others are options.
_OF_THE_NODE = (
    "autostart",
    "cameras",
    "image_transport",
    "qos_profile",
    "detector",
    "depth_source",
    "depth_tolerance_s",
    "learn_hand_size",
)
_NUMBERS = {ParameterType.PARAMETER_DOUBLE: float, ParameterType.PARAMETER_INTEGER: int}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 1 with one sentence when it cannot go on, 130 when interrupted."""
    given = _parser().parse_args(arguments)
    try:
        from digit_ros.bag.run import run
    except ModuleNotFoundError as error:
        if error.name not in ("rosbags", "tqdm"):
            raise
        print(f"bag: {error.name} is not installed: pip install rosbags tqdm", file=sys.stderr)
        return 1
    try:
        defaults = {row.name: row.default for row in fields(Parameters)}
        options = {name: value for name, value in vars(given).items() if name in defaults}
        print(run(given, checked(Parameters, {**defaults, **options})))
    except (BagError, BadParameter) as error:
        print(f"bag: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bag: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m digit_ros.bag", description="Add both hands to a recording (rosbag2)."
    )
    add = parser.add_argument
    add("input", type=Path, help="a rosbag2 folder, or its .mcap or .db3 file")
    add("output", type=Path, help="the bag to write, a folder that does not exist yet")
    add("--image", action="append", metavar="TOPIC", help="raw or compressed images; repeat it for"
        " several cameras; may be left out when the bag has just one")  # fmt: skip
    add("--camera-info", action="append", metavar="TOPIC", help="one for each --image, in order;"
        " found beside the image topic when left out")  # fmt: skip
    add("--topics", nargs="+", metavar="NAME", default=["skeleton_raw"],
        help="what to write beside skeleton, label_info and /tf (default: skeleton_raw): "
        "skeleton_raw, segmentation, segmentation_color, overlay, markers, ...")  # fmt: skip
    add("--namespace", help="put before the topics written (default: none for one camera, the"
        " image topics' own for several)")  # fmt: skip
    add("--storage", choices=("mcap", "sqlite3"), help="of the bag written; as IN by default")
    for row in fields(Parameters):
        if row.name not in _OF_THE_NODE:
            _add_parameter(parser, row)
    return parser


def _add_parameter(parser: argparse.ArgumentParser, row: Field[Any]) -> None:
    flag = "--" + row.name.replace("_", "-")
    text = row.metadata["description"].replace("%", "%%")
    if isinstance(row.default, bool):
        action = argparse.BooleanOptionalAction
        parser.add_argument(flag, action=action, default=row.default, help=text)
    else:
        kind = _NUMBERS.get(row.metadata["rule"].kind, str)
        parser.add_argument(flag, type=kind, default=row.default, help=text)


if __name__ == "__main__":
    sys.exit(main())
