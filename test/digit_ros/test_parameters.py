# SPDX-License-Identifier: Apache-2.0
"""Parameters: descriptors, ranges, refusals that name the value."""

from dataclasses import fields

import pytest
import rclpy
from rclpy.node import Node
from rclpy.parameter import Parameter

from digit_ros import parameter_table
from digit_ros.parameter_table import BadParameter, checked
from digit_ros.parameters import Parameters


@pytest.fixture
def make_node():
    """make_node(name=value, ...) -> a real node with these overrides, not yet declared."""
    context, nodes = rclpy.Context(), []
    rclpy.init(context=context)

    def make(**overrides):
        given = [Parameter(name, value=value) for name, value in overrides.items()]
        nodes.append(Node("digit", context=context, parameter_overrides=given))
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()
    context.shutdown()


def test_defaults_are_the_dataclass(make_node):
    assert parameter_table.declare(make_node(), Parameters) == Parameters()


def test_given_values_are_read(make_node):
    got = parameter_table.declare(
        make_node(qos_profile="reliable", fallback_hfov_deg=60.0), Parameters
    )
    assert (got.qos_profile, got.fallback_hfov_deg) == ("reliable", 60.0)


def test_whole_numbers_serve_as_numbers(make_node):
    got = parameter_table.declare(make_node(fallback_hfov_deg=60, hold_s=1), Parameters)
    assert (got.fallback_hfov_deg, got.hold_s) == (60.0, 1.0)
    assert all(isinstance(value, float) for value in (got.fallback_hfov_deg, got.hold_s))


def test_lists_of_cameras_are_read(make_node):
    assert parameter_table.declare(make_node(cameras=["a", "b"]), Parameters).cameras == ("a", "b")


def test_every_parameter_is_described(make_node):
    node = make_node()
    parameter_table.declare(node, Parameters)
    for row in fields(Parameters):
        descriptor = node.describe_parameter(row.name)
        assert descriptor.description.endswith(".") and descriptor.additional_constraints


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("qos_profile", "fast", ["'fast'", "auto, sensor_data, reliable"]),
        ("image_transport", "theora", ["'theora'", "raw, compressed"]),
        ("fallback_hfov_deg", -1.0, ["-1.0", "0 or a number from 1.0 to 170.0"]),
        ("fallback_hfov_deg", 1e-9, ["1e-09", "1.0 to 170.0"]),
        ("fallback_hfov_deg", float("nan"), ["nan", "1.0 to 170.0"]),
        ("fallback_hfov_deg", "wide", ["wide", "1.0 to 170.0"]),
        ("autostart", 3, ["3", "true or false"]),
        ("detect_every", 0, ["0", "a whole number from 1 to 1000"]),
        ("cameras", ["a/b"], ["a/b", "letters, digits and _"]),
        ("cameras", ["left", "left"], ["left", "different names"]),
        ("cameras", ["left", ""], ["a name for every camera"]),
        ("tf_prefix", "/robot/", ["/robot/", "the first is not /"]),
        ("left_name", "right", ["right", "another name"]),
        ("presence_off", 0.7, ["0.7", "at most presence_on, which is 0.6"]),
    ],
)
def test_a_refused_value_is_named(make_node, name, value, words):
    with pytest.raises(BadParameter) as caught:
        parameter_table.declare(make_node(**{name: value}), Parameters)
    assert all(word in str(caught.value) for word in [f"parameter {name}", *words])
    assert "\n" not in str(caught.value)


def test_structural_ones_are_read_only_and_live_ones_are_checked(make_node):
    node = make_node()
    parameter_table.declare(node, Parameters)
    node.add_on_set_parameters_callback(parameter_table.answer_to(node, Parameters))

    def set_to(name, value):
        return node.set_parameters([Parameter(name, value=value)])[0]

    assert not set_to("weights", "other.pt").successful
    assert set_to("fallback_hfov_deg", 70.0).successful
    assert "expected at most presence_on" in set_to("presence_off", 0.7).reason
    assert set_to("presence_on", 0.8).successful and set_to("presence_off", 0.7).successful
    assert "170.0" in set_to("fallback_hfov_deg", float("nan")).reason
    assert "0 or a number from 1.0" in set_to("fallback_hfov_deg", 0.5).reason
    assert parameter_table.read(node, Parameters).fallback_hfov_deg == 70.0


@pytest.mark.parametrize(("name", "value"), [("hold_s", 10**400), ("cameras", [["a"]])])
def test_values_that_no_rule_thought_of_are_refused(name, value):
    """Found by fuzzing: an OverflowError and a TypeError came through."""
    given = {row: field.default for row, field in Parameters.__dataclass_fields__.items()}
    with pytest.raises(BadParameter, match=f"parameter {name} is "):
        checked(Parameters, given | {name: value})
