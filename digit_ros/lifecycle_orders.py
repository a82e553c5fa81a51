# SPDX-License-Identifier: Apache-2.0
"""Lifecycle orders that a node's state does not allow are answered, on every distribution."""

from collections.abc import Callable
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode


def answer_wrong_orders(node: LifecycleNode) -> None:
    """Refuse what the state does not allow, as rclpy does itself since Kilted.

    Jazzy's rclpy raises instead, which ends the node and leaves its client without an answer.
    """
    for service in node.services:
        if service.srv_type is ChangeState:
            service.callback = _refusing(node, service.callback)


def _refusing(node: LifecycleNode, change_state: Callable[..., Any]) -> Callable[..., Any]:
    def answer(
        request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        try:
            return change_state(request, response)
        except RuntimeError as error:  # rcl's own errors are.
            if not node.context.ok():
                raise
            order = request.transition.label or request.transition.id
            node.get_logger().error(f"transition {order} is refused: {error}")
            response.success = False
            return response

    return answer
