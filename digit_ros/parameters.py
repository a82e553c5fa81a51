# SPDX-License-Identifier: Apache-2.0
"""Every parameter of digit_node: declared with a description and a range, checked, then frozen."""

import math
from dataclasses import Field, dataclass, field, fields

from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor, ParameterType
from rclpy.exceptions import ParameterException


class BadParameter(ValueError):
    """A refused value; its text names the parameter, the value and what is allowed."""


def _parameter(default, description, *, live=False, choices=(), lowest=None, highest=None):
    """One row: default, description, and what is allowed. Only `live` ones change while running."""
    rules = {"live": live, "choices": choices, "lowest": lowest, "highest": highest}
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
        "auto", "Where the network runs: auto, cpu, cuda or cuda:N; auto takes the best there is."
    )
    image_transport: str = _parameter(
        "raw",
        "raw subscribes to image, compressed to image/compressed.",
        choices=("raw", "compressed"),
    )
    qos_profile: str = _parameter(
        "auto",
        "Reliability of the image subscription: auto matches the publisher, sensor_data is best effort.",
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
        lowest=0.0,
        highest=170.0,
    )
    hand_size_m: float = _parameter(
        0.18,
        "Length in metres from the wrist along the bones of the middle finger to its tip.",
        live=True,
        lowest=0.08,
        highest=0.30,
    )
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
    values = {}
    for row in fields(Parameters):
        value = values[row.name] = node.get_parameter(row.name).value
        if not _is_allowed(row, value):
            raise BadParameter(f"parameter {row.name} is {value!r}; expected {_allowed(row)}")
    return Parameters(**values)


_TYPES = {
    bool: ParameterType.PARAMETER_BOOL,
    str: ParameterType.PARAMETER_STRING,
    float: ParameterType.PARAMETER_DOUBLE,
}


def _descriptor(row: Field) -> ParameterDescriptor:
    rules = row.metadata
    descriptor = ParameterDescriptor(
        name=row.name,
        type=_TYPES[row.type],
        description=rules["description"],
        additional_constraints=_allowed(row),
        read_only=not rules["live"],
    )
    if rules["lowest"] is not None:
        bounds = FloatingPointRange(from_value=rules["lowest"], to_value=rules["highest"])
        descriptor.floating_point_range = [bounds]
    return descriptor


def _allowed(row: Field) -> str:
    rules = row.metadata
    if rules["choices"]:
        return "one of " + ", ".join(rules["choices"])
    if rules["lowest"] is not None:
        return f"a number from {rules['lowest']} to {rules['highest']}"
    return {bool: "true or false", str: "text"}[row.type]


def _is_allowed(row: Field, value) -> bool:
    rules = row.metadata
    if not isinstance(value, row.type):
        return False
    if rules["choices"]:
        return value in rules["choices"]
    if rules["lowest"] is not None:
        return math.isfinite(value) and rules["lowest"] <= value <= rules["highest"]
    return True
