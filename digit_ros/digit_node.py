# SPDX-License-Identifier: Apache-2.0
"""digit_node: a lifecycle node that answers a camera's images with both hands."""

import signal

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.logging import get_logger
from rclpy.timer import Timer

from digit_core.estimator import DigitEstimator
from digit_ros import fastdds, parameters
from digit_ros.parameters import BadParameter
from digit_ros.stream import Stream
from digit_ros.worker import Worker

_TICK_S = 1.0
#: How long a publisher that shows may wait for a subscription, seconds.
_MATCH_S = 0.1


class DigitNode(LifecycleNode):
    """Configure loads the network, activate subscribes, deactivate stops, cleanup frees.

    Attributes:
        parameters: the parameters as they are now.

    Raises:
        BadParameter: a parameter was given a value that is not allowed.
    """

    def __init__(self) -> None:
        self._facts: dict[str, str] = {}
        self._stream: Stream | None = None
        self._worker: Worker | None = None
        self._clockwork: list[Timer] = []
        super().__init__("digit")
        self.parameters = parameters.declare(self)
        self.add_on_set_parameters_callback(parameters.answer_to)
        self.add_post_set_parameters_callback(self._on_parameters_set)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 1)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the network and warm it up; without usable weights stay unconfigured."""
        try:
            estimator = self._load()
        except Exception as error:  # rclpy would swallow it without a word.
            self.get_logger().error(f"cannot configure: {error}")
            return TransitionCallbackReturn.FAILURE
        networks = estimator.networks
        self._facts = {
            "model": networks.name,
            "weights": networks.weights,
            "device": str(networks.device),
        }
        self._stream = Stream(self, estimator, lambda: self.parameters)
        self._worker = Worker(self._stream)
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and answer images."""
        result = super().on_activate(state)
        if self._worker is not None:
            self._worker.start()
        self._clockwork = [
            self.create_timer(_TICK_S, self._tick),
            self.create_timer(_MATCH_S, self._match),
        ]
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Finish the image at hand and unsubscribe."""
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the network and take the topics down."""
        self._free()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free, from whichever state."""
        self._stop()
        self._free()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free, so that configure can be tried again."""
        self._stop()
        self._free()
        return super().on_error(state)

    def start(self) -> bool:
        """Configure and activate; False when one of them fails."""
        return (
            self.trigger_configure() == TransitionCallbackReturn.SUCCESS
            and self.trigger_activate() == TransitionCallbackReturn.SUCCESS
        )

    def destroy_node(self) -> None:
        """Stop the worker, then take the node down."""
        self._stop()
        super().destroy_node()

    def _load(self) -> DigitEstimator:
        given = self.parameters
        device = None if given.device == "auto" else given.device
        estimator = DigitEstimator.load(given.weights or None, device)
        estimator.warm_up()
        return estimator

    def _stop(self) -> None:
        for timer in self._clockwork:
            self.destroy_timer(timer)
        self._clockwork = []
        if self._worker is not None:
            self._worker.stop()

    def _free(self) -> None:
        if self._stream is not None:
            self._stream.destroy()
        self._stream = self._worker = None

    def _on_parameters_set(self, _changes) -> None:
        self.parameters = parameters.read(self)

    def _match(self) -> None:
        if self._stream is not None:
            self._stream.match()

    def _tick(self) -> None:
        if self._stream is not None:
            self._diagnostics.publish(self._stream.tick(self._facts))


def main() -> int:
    """Run the node until it is interrupted; 1 when it cannot start."""
    fastdds.use_profile()
    try:
        rclpy.init()
        node = DigitNode()
    except (BadParameter, RuntimeError) as error:  # rcl's own errors are RuntimeErrors.
        get_logger("digit").fatal(str(error))
        rclpy.try_shutdown()
        return 1
    return _run(node)


def _run(node: DigitNode) -> int:
    try:
        if node.parameters.autostart and not node.start():
            return 1
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        # A terminal and ros2 launch may both pass Ctrl-C on; once is enough.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        node.destroy_node()
        rclpy.try_shutdown()
    return 0
