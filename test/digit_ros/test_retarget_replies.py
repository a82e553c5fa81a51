# SPDX-License-Identifier: Apache-2.0
"""Lines of the solver's process; what is refused was found by fuzzing."""

import json

import pytest

from digit_ros.retarget.replies import BadReply, Failure, Positions, Ready, parse

READY = {"names": ["a", "b"], "lower": [0, 0.0], "upper": [1.5, 1], "used": [0, 20]}


def test_the_three_replies():
    ready = parse(json.dumps(READY))
    assert isinstance(ready, Ready) and ready.upper.tolist() == [1.5, 1.0]
    answer = parse('{"id": 3, "positions": [0.5, NaN]}')
    assert isinstance(answer, Positions) and answer.number == 3 and answer.positions[0] == 0.5
    assert parse('{"error": "no such file"}') == Failure("no such file")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("hello", "a line of JSON"),
        ("[" * 100_000, "a line of JSON"),
        ("[1]", "an object"),
        ("{}", "'id'"),
        ('{"id": 1}', "'positions'"),
        ('{"id": 1, "positions": [[1]]}', "'positions'"),
        ('{"id": 1, "positions": [1e400, "a"]}', "'positions'"),
        (json.dumps(READY | {"names": ["a", "a"]}), "different names"),
        (json.dumps(READY | {"names": []}), "'names'"),
        (json.dumps(READY | {"used": [21]}), "'used'"),
        (json.dumps(READY | {"lower": [0]}), "limit for every joint"),
        (json.dumps(READY | {"lower": [2, 0]}), "limit for every joint"),
        (json.dumps(READY | {"upper": [10**400, 1]}), "'upper'"),
    ],
)
def test_other_lines_are_refused(line, expected):
    with pytest.raises(BadReply, match=expected):
        parse(line)
