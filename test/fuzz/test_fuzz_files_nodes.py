# SPDX-License-Identifier: Apache-2.0
"""What nodes are told: parameter values and files, and the replies of the solver's process."""

import json

import pytest
from fuzzing import Reader, damaged, hostile, spoiled, tried
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

import yaml

from digit_ros.parameter_table import BadParameter, checked
from digit_ros.parameters import Parameters
from digit_ros.player.parameters import PlayerParameters
from digit_ros.retarget.parameters import RetargetParameters

TABLES = (Parameters, PlayerParameters, RetargetParameters)


def defaults(table):
    return {name: row.default for name, row in table.__dataclass_fields__.items()}


@tried(2)
@given(data=st.data(), table=st.sampled_from(TABLES))
def test_values(data, table):
    given = defaults(table)
    numbers = st.floats(allow_nan=True) | st.integers() | st.text(max_size=9)
    values = st.one_of(hostile, numbers, st.lists(numbers, max_size=3))
    given |= data.draw(
        st.dictionaries(st.sampled_from(sorted(given)), values, min_size=1, max_size=3)
    )
    try:
        made = checked(table, given)
    except BadParameter as error:
        assert str(error).isprintable() and str(error).startswith("parameter ")
        assert len(str(error)) < 2000
    else:
        if table is Parameters:
            made.settings()


GOOD = {
    "digit": {"ros__parameters": {"hold_s": 0.2, "smooth": True, "device": "cpu", "cameras": ["a"]}}
}


@pytest.fixture(scope="module")
def parameters(tmp_path_factory):
    good = tmp_path_factory.mktemp("parameters") / "good.yaml"
    good.write_text(yaml.safe_dump(GOOD))
    reader = Reader("parameters", good)
    yield reader
    reader.close()


@tried(0.5)
@given(data=st.data())
def test_files_of_parameters(parameters, data):
    content = GOOD["digit"]["ros__parameters"]
    if data.draw(st.booleans()):
        names = st.sampled_from(sorted(defaults(Parameters)))
        content = content | data.draw(st.dictionaries(names, hostile, max_size=3))
        text = yaml.safe_dump({"digit": {"ros__parameters": content}})
    else:
        text = yaml.safe_dump(data.draw(spoiled(GOOD)))
    path = parameters.good.with_name("spoiled.yaml")
    text = text.encode("utf-8", "surrogatepass")
    path.write_bytes(data.draw(damaged([text])) if data.draw(st.booleans()) else text)
    outcome = parameters.read(path)
    assert outcome["kind"] in ("answered", "refused"), outcome


READY = {"names": ["a", "b"], "lower": [0, 0.0], "upper": [1.5, 1], "used": [0, 4, 8]}
ANSWER = {"id": 1, "positions": [0.1, 0.2]}


@pytest.fixture(scope="module")
def solver(tmp_path_factory):
    good = tmp_path_factory.mktemp("solver") / "good"
    good.write_text(f"{json.dumps(READY)}\n{json.dumps(ANSWER)}\n")
    reader = Reader("solver", good)
    yield reader
    reader.close()


@tried(0.25)
@given(data=st.data())
def test_replies_of_the_solver(solver, data):
    lines = [
        json.dumps(data.draw(st.one_of(st.just(row), spoiled(row)))) for row in (READY, ANSWER)
    ]
    text = ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass")
    path = solver.good.with_name("spoiled")
    path.write_bytes(data.draw(damaged([text])) if data.draw(st.booleans()) else text)
    solver.check(path, named="the solver")
