# SPDX-License-Identifier: Apache-2.0
"""digit_node: a lifecycle node that answers cameras' images with both hands."""

import gc

import torch
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.timer import Timer
from std_msgs.msg import Header

from digit_ros import fastdds, parameter_table
from digit_ros.lifecycle_orders import answer_wrong_orders
from digit_ros.loading import load_cpu_estimator, load_estimator
from digit_ros.node_main import run_node
from digit_ros.oom_fallback import OomFallback
from digit_ros.parameters import Parameters
from digit_ros.stream import Stream
from digit_ros.worker import Worker

_STATUS_S = 1.0
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
        self._streams: list[Stream] = []
        self._worker: Worker | None = None
        self._fallback: OomFallback | None = None
        self._timers_while_active: list[Timer] = []
        super().__init__("digit")
        answer_wrong_orders(self)
        self.parameters = parameter_table.declare(self, Parameters)
        self.add_on_set_parameters_callback(parameter_table.answer_to(self, Parameters))
        self.add_post_set_parameters_callback(self._on_parameters_set)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 1)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the network and warm it up; without usable weights stay unconfigured."""
        try:
            estimator = load_estimator(self.parameters)
            estimator.warm_up()
            reference_m = estimator.networks.hand_size_m
            for camera in self.parameters.cameras:
                stream = Stream(self, camera, reference_m, lambda: self.parameters)
                self._streams.append(stream)
        except Exception as error:  # rclpy would swallow it without a word.
            self.get_logger().error(f"cannot configure: {error}")
            self._free()
            return TransitionCallbackReturn.FAILURE
        networks = estimator.networks
        self._facts = {"model": networks.name, "weights": networks.weights}
        self._fallback = OomFallback(estimator, lambda: load_cpu_estimator(self.parameters))
        self._worker = Worker(self._fallback, self._streams)
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and answer images."""
        result = super().on_activate(state)
        if self._worker is not None:
            self._worker.start()
        # Not ROS time: with use_sim_time that stands still until a clock is published.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timers_while_active = [
            self.create_timer(_STATUS_S, self._publish_status, clock=steady),
            self.create_timer(_MATCH_S, self._match, clock=steady),
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

    def _stop(self) -> None:
        for timer in self._timers_while_active:
            self.destroy_timer(timer)
        self._timers_while_active = []
        if self._worker is not None:
            self._worker.stop()

    def _free(self) -> None:
        for stream in self._streams:
            stream.destroy()
        self._streams, self._worker, self._fallback = [], None, None
        if torch.cuda.is_initialized():
            gc.collect()
            torch.cuda.empty_cache()

    def _on_parameters_set(self, _changes: object) -> None:
        self.parameters = parameter_table.read(self, Parameters)

    def _match(self) -> None:
        for stream in self._streams:
            stream.match()

    def _publish_status(self) -> None:
        if self._fallback is None:
            return
        header = Header(stamp=self.get_clock().now().to_msg())
        runs = {"device": self._fallback.device, "engine": self._fallback.engine}
        facts = {**self._facts, **runs}
        warning = self._fallback.note or self._namesake()
        status = [stream.status(facts, warning) for stream in self._streams]
        self._diagnostics.publish(DiagnosticArray(header=header, status=status))

    def _namesake(self) -> str:
        """That another node has this one's name, in a sentence; empty when none has."""
        me = (self.get_name(), self.get_namespace())
        if self.get_node_names_and_namespaces().count(me) < 2:
            return ""
        return (
            f"another node is called {self.get_fully_qualified_name()}, whose services and topics "
            "are the same (or this one's forerunner was killed half a minute ago at most); rename "
            "one with --ros-args -r __node:=NAME, and its topics"
        )


def main() -> int:
    """Run the node until it is interrupted; 1 when it cannot start."""
    fastdds.use_profile()
    return run_node("digit", DigitNode, lambda node: not node.parameters.autostart or node.start())
