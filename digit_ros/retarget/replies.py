# SPDX-License-Identifier: Apache-2.0
"""What the solver process says, checked: it runs a user's files in another interpreter."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Characters of a line; the longest that means anything has a few thousand.
LONGEST = 1 << 20
_HUMAN_JOINTS = 21


class BadReply(ValueError):
    """A line that is no reply; its text says what was expected."""


@dataclass(frozen=True)
class Ready:
    """The robot hand is loaded.

    Attributes:
        names: of its joints.
        lower, upper: (J,) their limits, radians or metres.
        used: the person's joints that it looks at.
    """

    names: list[str]
    lower: np.ndarray
    upper: np.ndarray
    used: list[int]


@dataclass(frozen=True)
class Positions:
    """The answer to the request of this number: (J,) of the robot hand's joints."""

    number: int
    positions: np.ndarray


@dataclass(frozen=True)
class Failure:
    """The robot hand cannot be loaded."""

    why: str


def parse(line: str) -> Ready | Positions | Failure:
    """One line of the solver.

    Raises:
        BadReply: it is none of the three.
    """
    try:
        reply = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadReply("expected a line of JSON") from error
    if not isinstance(reply, dict):
        raise BadReply("expected an object of JSON")
    if "error" in reply:
        return Failure(str(reply["error"]))
    if "names" in reply:
        return _ready(reply)
    number = reply.get("id")
    if not isinstance(number, int):
        raise BadReply("expected the number of a request in 'id'")
    return Positions(number, _numbers(reply, "positions"))


def _ready(reply: dict[str, Any]) -> Ready:
    names, used = reply["names"], reply.get("used")
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise BadReply("expected the joints' names in 'names'")
    if len(set(names)) != len(names):
        raise BadReply("expected different names in 'names'")
    if not isinstance(used, list) or not all(
        isinstance(joint, int) and 0 <= joint < _HUMAN_JOINTS for joint in used
    ):
        raise BadReply(f"expected joints 0 to {_HUMAN_JOINTS - 1} in 'used'")
    lower, upper = _numbers(reply, "lower"), _numbers(reply, "upper")
    if not lower.shape == upper.shape == (len(names),) or not (lower <= upper).all():
        raise BadReply("expected a lower and an upper limit for every joint")
    return Ready(names, lower, upper, used)


def _numbers(reply: dict[str, Any], key: str) -> np.ndarray:
    """(N,) float64; what is not finite may be among them."""
    try:
        found = np.array(reply.get(key))
        if found.ndim == 1 and found.dtype.kind in "iuf":
            return found.astype(np.float64)
    except (ValueError, OverflowError, RecursionError):
        pass
    raise BadReply(f"expected a list of numbers in '{key}'")
