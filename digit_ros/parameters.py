# SPDX-License-Identifier: Apache-2.0
"""Every parameter of digit_node: declared with a description and a range, checked, then frozen."""

from dataclasses import Field, dataclass, field, fields

from rcl_interfaces.msg import (
    FloatingPointRange,
    ParameterDescriptor,
    ParameterType,
    SetParametersResult,
)
from rclpy.exceptions import ParameterException


class BadParameter(ValueError):
    """A refused value; its text names the parameter, the value and what is allowed."""


def _parameter(default, description, *, live=False, choices=(), bounds=None, or_zero=False):
    """One row: default, description, and what is allowed. Only `live` ones change while running."""
    rules = {"live": live, "choices": choices, "bounds": bounds, "or_zero": or_zero}
    return field(default=default, metadata={"description": description, **rules})


@dataclass(frozen=True)
class Parameters:
    """What digit_node was told; see each row's description."""

    autostart: bool = _parameter(
        True, "Configure and activate at start; false waits for lifecycle transitions."
    )
    weights: str = _parameter(
        "", "Weights file (.safetensors, .pt, .ckpt); empty uses the bundled digit-lite."
    )
    device: str = _parameter(
        "auto", "Where the network runs: auto (the best there is), cpu, cuda or cuda:N."
    )
    image_transport: str = _parameter(
        "raw",
        "raw subscribes to image, compressed to image/compressed.",
        choices=("raw", "compressed"),
    )
    qos_profile: str = _parameter(
        "auto",
        "Image reliability: auto matches the publisher, sensor_data is best effort.",
        choices=("auto", "sensor_data", "reliable"),
    )
    rectified: str = _parameter(
        "auto",
        "true reads P of CameraInfo, false K and D; auto is true if the image topic says 'rect'.",
        choices=("auto", "true", "false"),
    )
    fallback_hfov_deg: float = _parameter(
        0.0,
        "Horizontal field of view in degrees in place of a missing CameraInfo; 0 turns it off.",
        live=True,
        bounds=(1.0, 170.0),
        or_zero=True,
    )
    hand_size_m: float = _parameter(
        0.0,
        "Wrist along the bones to the middle finger's tip, metres; 0 takes an adult's mean.",
        live=True,
        bounds=(0.08, 0.3),
        or_zero=True,
    )
    mirrored: bool = _parameter(
        False, "Images are flipped, as a selfie view: sides stay the person's own.", live=True
    )
    smooth: bool = _parameter(True, "Filter skeleton over time; skeleton_raw is not.", live=True)
    publish_tf: bool = _parameter(True, "Publish the wrists' frames on /tf.", live=True)
    tf_prefix: str = _parameter(
        "", "Put before the frame names left_wrist and right_wrist, for example 'head_'."
    )


def declare(node) -> Parameters:
    """Declare every parameter on `node` and read them.

    Raises:
        BadParameter: a given value has the wrong type or is not allowed.
    """
    for row in fields(Parameters):
        try:
            node.declare_parameter(row.name, row.default, _descriptor(row))
        except ParameterException as error:
            raise BadParameter(
                f"parameter {row.name}: {error}; expected {_allowed(row)}"
            ) from error
    return read(node)


def read(node) -> Parameters:
    """The parameters as `node` has them now.

    Raises:
        BadParameter: a value is not allowed.
    """
    values = {row.name: node.get_parameter(row.name).value for row in fields(Parameters)}
    check(values)
    return Parameters(**values)


def check(values: dict) -> None:
    """Look at values by name; names that are not ours pass.

    Raises:
        BadParameter: a value is not allowed.
    """
    for row in fields(Parameters):
        if row.name in values and not _is_allowed(row, values[row.name]):
            value = values[row.name]
            raise BadParameter(f"parameter {row.name} is {value!r}; expected {_allowed(row)}")


def answer_to(changes: list) -> SetParametersResult:
    """What a node answers to changes, a list of rclpy Parameter, that rclpy itself lets pass."""
    try:
        check({change.name: change.value for change in changes})
    except BadParameter as error:
        return SetParametersResult(successful=False, reason=str(error))
    return SetParametersResult(successful=True)


_TYPES = {
    bool: ParameterType.PARAMETER_BOOL,
    str: ParameterType.PARAMETER_STRING,
    float: ParameterType.PARAMETER_DOUBLE,
}


def _descriptor(row: Field) -> ParameterDescriptor:
    rules = row.metadata
    descriptor = ParameterDescriptor(
        name=row.name,
        type=_TYPES[type(row.default)],
        description=rules["description"],
        additional_constraints=_allowed(row),
        read_only=not rules["live"],
    )
    if rules["bounds"]:
        lowest, highest = rules["bounds"]
        lowest = 0.0 if rules["or_zero"] else lowest
        descriptor.floating_point_range = [FloatingPointRange(from_value=lowest, to_value=highest)]
    return descriptor


def _allowed(row: Field) -> str:
    rules = row.metadata
    if rules["choices"]:
        return "one of " + ", ".join(rules["choices"])
    if rules["bounds"]:
        return ("0 or " if rules["or_zero"] else "") + "a number from {} to {}".format(
            *rules["bounds"]
        )
    return {bool: "true or false", str: "text"}[type(row.default)]


def _is_allowed(row: Field, value) -> bool:
    rules = row.metadata
    if not isinstance(value, type(row.default)):
        return False
    if rules["choices"]:
        return value in rules["choices"]
    if rules["bounds"]:
        lowest, highest = rules["bounds"]
        return lowest <= value <= highest or (rules["or_zero"] and value == 0)
    return True
