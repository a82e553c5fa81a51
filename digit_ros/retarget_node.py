# SPDX-License-Identifier: Apache-2.0
"""retarget_node: a person's hands move robot hands, once the service `engage` says so."""

import time

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_srvs.srv import SetBool

from digit_core.palm import palm_joints
from digit_ros import parameter_table
from digit_ros.messages import points_array
from digit_ros.msg import HandSkeleton, TwoHandSkeleton
from digit_ros.node_main import run_node
from digit_ros.retarget.follower import Follower
from digit_ros.retarget.parameters import RetargetParameters
from digit_ros.retarget.process import Solver

_LATCHED = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)


class RobotHand:
    """One robot hand: its solver, what it is told, and its topic.

    Attributes:
        side: of the person's hand that it follows.
        solver: the process.
        follower: what it is told; None until the solver is ready.
    """

    def __init__(self, node: Node, side: str, given: RetargetParameters) -> None:
        """Start the solver."""
        self.side, self._node, self._given = side, node, given
        self._commands = node.create_publisher(JointState, f"{side}/joint_command", 1)
        self.follower: Follower | None = None
        self.start()

    def start(self) -> None:
        """Start the solver, anew where it has failed."""
        given, side = self._given, self.side
        config, urdf = getattr(given, f"{side}_config"), getattr(given, f"{side}_urdf")
        self.solver = Solver(given.python, config, urdf, given.solver_timeout_s)

    def is_ready(self) -> bool:
        """Whether it can be engaged."""
        if self.solver.ready and self.follower is None:
            self.follower = Follower(self.solver.names, self.solver.lower, self.solver.upper)
        return self.solver.ready and not self.solver.check()

    def follow(self, hand: HandSkeleton, min_confidence: float) -> None:
        """Give the solver a hand that is there."""
        if not hand.present or not hand.confidence >= min_confidence:
            return
        joints = palm_joints(points_array(hand.relative), self.side)
        # NaN where the palm or a joint is not valid; joints that no link follows may well be.
        if np.isfinite(joints[self.solver.used]).all():
            self.solver.ask(joints)

    def move(self, now_s: float, seconds: float, given: RetargetParameters) -> str:
        """Publish the next command; the sentence says why it cannot go on, empty when it can."""
        assert self.follower is not None
        if self.solver.check():
            return self.solver.fault
        answer = self.solver.take()
        if answer is not None:
            self.follower.aim(answer, now_s)
        lost_s = self.follower.lost_s(now_s)
        if lost_s > given.timeout_s:
            return f"the {self.side} hand has not been seen for {given.timeout_s:g} s"
        positions = self.follower.step(seconds, given.max_joint_speed, lost_s > given.hold_s)
        if positions is not None:
            command = JointState(name=self.follower.names, position=positions.tolist())
            command.header.stamp = self._node.get_clock().now().to_msg()
            self._commands.publish(command)
        return ""


class RetargetNode(Node):
    """Off until engaged; disengages itself, and says so, when a hand or a solver is lost.

    Raises:
        BadParameter: a parameter was given a value that is not allowed.
    """

    def __init__(self) -> None:
        self.hands: list[RobotHand] = []
        super().__init__("retarget")
        self.parameters = parameter_table.declare(self, RetargetParameters)
        self.add_on_set_parameters_callback(parameter_table.answer_to(self, RetargetParameters))
        self.add_post_set_parameters_callback(self._on_parameters_set)
        self.hands = [RobotHand(self, side, self.parameters) for side in self.parameters.sides]
        self._engaged = False
        self._moved_s = 0.0
        self._said: set[str] = set()
        self._state = self.create_publisher(Bool, "engaged", _LATCHED)
        self._state.publish(Bool(data=False))
        self.create_subscription(TwoHandSkeleton, "skeleton", self._on_skeleton, 1)
        self.create_subscription(
            JointState, "joint_states", self._on_joint_states, qos_profile_sensor_data
        )
        self.create_service(SetBool, "engage", self._on_engage)
        self.create_timer(1.0 / self.parameters.rate_hz, self._on_timer)

    def _on_parameters_set(self, _changes: object) -> None:
        self.parameters = parameter_table.read(self, RetargetParameters)

    def _on_skeleton(self, skeleton: TwoHandSkeleton) -> None:
        if self._engaged:
            for hand in self.hands:
                hand.follow(getattr(skeleton, hand.side), self.parameters.min_confidence)

    def _on_joint_states(self, states: JointState) -> None:
        for hand in self.hands:
            if hand.follower is not None:
                hand.follower.measure(states.name, states.position)

    def _on_engage(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        response.message = self._engage() if request.data else self._disengage("as was asked")
        response.success = self._engaged == request.data
        return response

    def _engage(self) -> str:
        if self._engaged:
            return "engaged already"
        for hand in self.hands:
            if not hand.is_ready():
                fault = hand.solver.fault
                if fault:
                    hand.start()
                    self._said.clear()
                    return f"{hand.side} hand: {fault}; its solver is started again"
                return f"{hand.side} hand: its solver is still starting"
        self._moved_s = time.monotonic()
        for hand in self.hands:
            hand.solver.forget()
            assert hand.follower is not None
            hand.follower.engage(self._moved_s)
        return self._set(True, "engaged")

    def _disengage(self, why: str) -> str:
        return self._set(False, f"disengaged: {why}") if self._engaged else "disengaged already"

    def _set(self, engaged: bool, sentence: str) -> str:
        self._engaged = engaged
        self._state.publish(Bool(data=engaged))
        self.get_logger().info(sentence) if engaged else self.get_logger().warning(sentence)
        return sentence

    def _on_timer(self) -> None:
        now_s = time.monotonic()
        seconds, self._moved_s = now_s - self._moved_s, now_s
        self._watch_solvers()
        if not self._engaged:
            return
        # A late timer must not become a leap.
        seconds = min(seconds, 2.0 / self.parameters.rate_hz)
        faults = [hand.move(now_s, seconds, self.parameters) for hand in self.hands]
        for fault in filter(None, faults):
            self._disengage(fault)

    def _watch_solvers(self) -> None:
        """Say once that a solver is ready, or what is wrong with it."""
        for hand in self.hands:
            ready, log = hand.is_ready(), self.get_logger()
            said = f"{hand.side} hand: {hand.solver.fault or 'ready to be engaged'}"
            if (ready or hand.solver.fault) and said not in self._said:
                self._said.add(said)
                log.info(said) if ready else log.error(said)

    def destroy_node(self) -> None:
        """End the solvers, then take the node down."""
        for hand in self.hands:
            hand.solver.close(wait_s=1.0)
        super().destroy_node()


def main() -> int:
    """Run the node until it is interrupted; 1 when it cannot start."""
    return run_node("retarget", RetargetNode)
