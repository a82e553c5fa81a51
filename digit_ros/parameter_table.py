# SPDX-License-Identifier: Apache-2.0
"""A node's parameters as a frozen dataclass: one row each, declared, checked and documented.

@dataclass(frozen=True)
class Parameters:
    rate_hz: float = parameter(30.0, "Images a second.", number(1.0, 120.0), live=True)

given = declare(node, Parameters)
"""

from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from typing import Any, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    ParameterType,
    SetParametersResult,
)

T = TypeVar("T")


class BadParameter(ValueError):
    """A refused value; its text names the parameter, the value and what is allowed."""


@dataclass(frozen=True)
class Rule:
    """The values that a parameter may take.

    Attributes:
        allowed: the allowed values in words.
        holds: tells whether a value is allowed.
        kind: a constant of rcl_interfaces/ParameterType; NOT_SET where several types are allowed.
        bounds: lowest and highest number, for tools that draw a slider.
    """

    allowed: str
    holds: Callable[[Any], bool]
    kind: int = ParameterType.PARAMETER_NOT_SET
    bounds: tuple[float, float] | tuple[int, int] | None = None


FLAG = Rule("true or false", lambda v: isinstance(v, bool), ParameterType.PARAMETER_BOOL)
TEXT = Rule("text", lambda v: isinstance(v, str), ParameterType.PARAMETER_STRING)


def number(lowest: float, highest: float, *, or_zero: bool = False) -> Rule:
    """A number within bounds; with `or_zero` also 0, which has a meaning of its own.

    10 is accepted as well as 10.0, because people write that on command lines.
    """

    def holds(value: Any) -> bool:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number:
            return False
        return lowest <= value <= highest or (or_zero and value == 0.0)

    allowed = ("0 or " if or_zero else "") + f"a number from {lowest} to {highest}"
    bounds = (0.0 if or_zero else lowest, highest)
    return Rule(allowed, holds, ParameterType.PARAMETER_DOUBLE, bounds)


def whole(lowest: int, highest: int) -> Rule:
    """A whole number within bounds."""

    def holds(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest

    allowed = f"a whole number from {lowest} to {highest}"
    return Rule(allowed, holds, ParameterType.PARAMETER_INTEGER, (lowest, highest))


def one_of(*choices: str) -> Rule:
    """One of these words."""
    return Rule(
        "one of " + ", ".join(choices), lambda v: v in choices, ParameterType.PARAMETER_STRING
    )


def texts(allowed: str, each: Callable[[str], bool]) -> Rule:
    """A list of at least one text, all different; `each` checks one, `allowed` says so in words."""

    def holds(value: Any) -> bool:
        if not isinstance(value, (list, tuple)) or not value:
            return False
        right = all(isinstance(one, str) and each(one) for one in value)
        return right and len(set(value)) == len(value)

    return Rule(allowed, holds, ParameterType.PARAMETER_STRING_ARRAY)


def parameter(
    default: Any, description: str, rule: Rule, *, live: bool = False, section: str = ""
) -> Any:
    """One row of a table.

    Args:
        default: the value without an override.
        description: one sentence, for `ros2 param describe` and the reference.
        rule: the allowed values.
        live: it can change while the node runs; or else it is read-only.
        section: a heading of the reference, in the first row of a group.
    """
    about = {"description": description, "rule": rule, "live": live, "section": section}
    return field(default=default, metadata=about)


def declare(node: Any, table: type[T]) -> T:
    """Declare every row of `table` on `node` and read them.

    Raises:
        BadParameter: a given value has the wrong type or is not allowed.
    """
    for row in fields(table):  # type: ignore[arg-type]
        default = list(row.default) if isinstance(row.default, tuple) else row.default
        # rclpy's own refusals do not name the value in words, so ours comes before them.
        given = node.declare_parameter(row.name, default, ParameterDescriptor(dynamic_typing=True))
        _check(row, given.value)
        node.undeclare_parameter(row.name)
        node.declare_parameter(row.name, default, _descriptor(row))
    return read(node, table)


def read(node: Any, table: type[T]) -> T:
    """The parameters as `node` has them now.

    Raises:
        BadParameter: a value is not allowed.
    """
    return checked(table, _values(node, table))


def checked(table: type[T], values: dict[str, Any]) -> T:
    """A `table` of these values, every row named.

    Raises:
        BadParameter: a value is not allowed, or values do not go together.
    """
    for row in fields(table):  # type: ignore[arg-type]
        _check(row, values[row.name])
    return table(**{row.name: _frozen(row, values[row.name]) for row in fields(table)})  # type: ignore[arg-type]


def answer_to(node: Any, table: type) -> Callable[[list[Any]], SetParametersResult]:
    """A callback for `node.add_on_set_parameters_callback` that checks changes against `table`."""
    names = {row.name for row in fields(table)}

    def answer(changes: list[Any]) -> SetParametersResult:
        changed = {change.name: change.value for change in changes if change.name in names}
        try:
            checked(table, {**_values(node, table), **changed})
        except BadParameter as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    return answer


def _check(row: Field[Any], value: Any) -> None:
    rule = row.metadata["rule"]
    if not rule.holds(value):
        raise BadParameter(f"parameter {row.name} is {value!r}; expected {rule.allowed}")


def _frozen(row: Field[Any], value: Any) -> Any:
    if row.metadata["rule"].kind == ParameterType.PARAMETER_DOUBLE:
        return float(value)
    return tuple(value) if isinstance(value, list) else value


def _values(node: Any, table: type) -> dict[str, Any]:
    return {row.name: node.get_parameter(row.name).value for row in fields(table)}


def _descriptor(row: Field[Any]) -> ParameterDescriptor:
    rule, live = row.metadata["rule"], row.metadata["live"]
    descriptor = ParameterDescriptor(
        name=row.name,
        type=rule.kind,
        description=row.metadata["description"],
        additional_constraints=rule.allowed,
        read_only=not live,
        dynamic_typing=rule.kind
        in (ParameterType.PARAMETER_NOT_SET, ParameterType.PARAMETER_DOUBLE),
    )
    if rule.bounds and rule.kind == ParameterType.PARAMETER_INTEGER:
        low, high = rule.bounds
        descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
    elif rule.bounds:
        low, high = rule.bounds
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(low), to_value=float(high))
        ]
    return descriptor
