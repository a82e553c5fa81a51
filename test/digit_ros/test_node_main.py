# SPDX-License-Identifier: Apache-2.0
"""The program around a node: it ends without a traceback, even in the middle of a callback."""

import os
import signal
import sys
from pathlib import Path

import pytest

from digit_ros import digit_node, retarget_node

PROGRAM = """
import sys
from rclpy.node import Node
from digit_ros.node_main import run_node
from digit_ros.parameter_table import BadParameter

def make():
    if "{how}" == "refused":
        raise BadParameter("parameter a is 1; expected 2")
    node = Node("some")
    def callback():
        print("in the callback", flush=True)
        while "{how}" == "signal":
            node.destroy_timer(node.create_timer(1.0, callback))  # fails without a context
        raise RuntimeError("something is broken")
    node.create_timer(0.01, callback)
    return node

sys.exit(run_node("some", make, lambda node: "{how}" != "cannot start"))
"""


def program(tmp_path, how):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.replace("{how}", how))
    return [sys.executable, path]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_a_signal_in_the_middle_of_a_callback_is_no_error(start_process, tmp_path, number):
    process = start_process(*program(tmp_path, "signal"))
    process.wait_for("in the callback", 60)
    os.kill(process.pid, number)
    assert process.wait(60) == 0 and "Traceback" not in process.output


def test_an_error_of_a_callback_is_seen(start_process, tmp_path):
    process = start_process(*program(tmp_path, "error"))
    assert process.wait(60) == 1 and "something is broken" in process.output


@pytest.mark.parametrize("how", ["refused", "cannot start"])
def test_what_cannot_start_ends_with_1(start_process, tmp_path, how):
    process = start_process(*program(tmp_path, how))
    assert process.wait(60) == 1 and "Traceback" not in process.output
    assert ("parameter a is 1; expected 2" in process.output) == (how == "refused")


@pytest.mark.parametrize("module", [digit_node, retarget_node], ids=lambda m: m.__name__)
def test_both_nodes_run_in_it(module):
    names = Path(module.__file__).read_text()
    assert "run_node(" in names and "rclpy.spin" not in names
