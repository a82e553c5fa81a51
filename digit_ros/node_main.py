# SPDX-License-Identifier: Apache-2.0
"""The program around a node: it starts, spins, and ends without a traceback."""

import signal
from collections.abc import Callable
from typing import TypeVar

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.logging import get_logger
from rclpy.node import Node

from digit_ros.parameter_table import BadParameter

AnyNode = TypeVar("AnyNode", bound=Node)


def run_node(
    name: str, make: Callable[[], AnyNode], start: Callable[[AnyNode], bool] = lambda _: True
) -> int:
    """Run a node until it is interrupted.

    Args:
        name: for the log, where the node could not be made.
        make: gives the node.
        start: called before it spins; False when it cannot start.

    Returns:
        The exit code: 1 when the node could not be made or started, else 0.
    """
    try:
        rclpy.init()
        node = make()
    except (BadParameter, RuntimeError) as error:  # rcl's own errors are RuntimeErrors.
        get_logger(name).fatal(str(error))
        rclpy.try_shutdown()
        return 1
    return _spin(node, start)


def _spin(node: AnyNode, start: Callable[[AnyNode], bool]) -> int:
    try:
        if not start(node):
            return 1
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except RuntimeError:
        # A signal takes the context away even in the middle of a callback, whose calls then fail.
        if rclpy.ok():
            raise
    finally:
        # A terminal and ros2 launch may both pass Ctrl-C on; once is enough.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        node.destroy_node()
        rclpy.try_shutdown()
    return 0
