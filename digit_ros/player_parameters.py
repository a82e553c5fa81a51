# SPDX-License-Identifier: Apache-2.0
"""The parameters of player_node: declared with a description, checked, then frozen."""

import math
from dataclasses import dataclass, field, fields

from rcl_interfaces.msg import ParameterDescriptor

from digit_ros.parameters import BadParameter


def _parameter(default, description, allowed, check):
    rules = {"description": description, "allowed": allowed, "check": check}
    return field(default=default, metadata=rules)


def _number(lowest, highest):
    """A check that takes 10 as well as 10.0, which a command line gives."""

    def check(value):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and math.isfinite(value) and lowest <= value <= highest

    return f"a number from {lowest} to {highest}", check


def _one_of(*choices):
    return "one of " + ", ".join(choices), lambda value: value in choices


def _of(kind, allowed):
    return allowed, lambda value: isinstance(value, kind)


@dataclass(frozen=True)
class PlayerParameters:
    """What player_node was told; see each row's description."""

    source: str | int | list = _parameter(
        "",
        "A video, a picture, a folder of pictures, a list of pictures, or a camera's index.",
        "a path, a list of paths, or a camera's index",
        lambda value: isinstance(value, (str, int, list)) and not isinstance(value, bool),
    )
    rate_hz: float = _parameter(
        0.0,
        "Pictures a second; 0 takes the video's own rate, 10 for pictures, a camera's own pace.",
        *_number(0.0, 1000.0),
    )
    loop: bool = _parameter(False, "Start again at the end.", *_of(bool, "true or false"))
    count: int = _parameter(
        0, "End after this many pictures; 0 plays to the end.", *_number(0, 10**9)
    )
    frame_id: str = _parameter(
        "camera_optical_frame", "The optical frame named in each header.", *_of(str, "text")
    )
    encoding: str = _parameter("rgb8", "The images' encoding.", *_one_of("rgb8", "bgr8"))
    reliability: str = _parameter(
        "reliable",
        "reliable sends again what is lost and suits every subscriber; best_effort is as a camera.",
        *_one_of("reliable", "best_effort"),
    )
    hfov_deg: float = _parameter(
        0.0,
        "Horizontal field of view, degrees, for sources without a file of intrinsics; 0 for none.",
        *_number(0.0, 170.0),
    )
    wait_for_subscriber_s: float = _parameter(
        0.0,
        "Wait up to this many seconds until `subscribers` listen to image: no picture is lost.",
        *_number(0.0, 86400.0),
    )
    subscribers: int = _parameter(
        1, "How many must listen before the first picture is sent.", *_number(1, 1000)
    )


def declare(node) -> PlayerParameters:
    """Declare every parameter on `node` and read them.

    Raises:
        BadParameter: a value is not allowed; the text names it and what is.
    """
    values = {}
    for row in fields(PlayerParameters):
        descriptor = ParameterDescriptor(
            description=row.metadata["description"],
            additional_constraints=row.metadata["allowed"],
            read_only=True,
            dynamic_typing=True,
        )
        value = node.declare_parameter(row.name, row.default, descriptor).value
        if not row.metadata["check"](value):
            allowed = row.metadata["allowed"]
            raise BadParameter(f"parameter {row.name} is {value!r}; expected {allowed}")
        values[row.name] = value
    return PlayerParameters(**values)
