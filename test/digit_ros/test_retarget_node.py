# SPDX-License-Identifier: Apache-2.0
"""retarget_node over real topics, with the real solver in its own interpreter."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Header
from std_srvs.srv import SetBool

from digit_core.hands import Intrinsics, TwoHands
from digit_ros.messages import two_hand_skeleton
from digit_ros.msg import TwoHandSkeleton

ROOT = Path(__file__).parents[2]
ROBOTS = ROOT / "config" / "robots"
SOLVER_PYTHON = Path(os.environ.get("DIGIT_RETARGET_PYTHON", ROOT / ".venv-retarget/bin/python"))
needs_solver = pytest.mark.skipif(
    not SOLVER_PYTHON.exists(), reason="dex-retargeting is not set up; `make retarget` does it"
)
with np.load(Path(__file__).with_name("retarget_hands.npz")) as arrays:
    HANDS = dict(arrays)
START_S = 60.0


class Teleoperation:
    """The node, a person's hands in front of it, and what the robot hands are told."""

    def __init__(self, ears, node, make_hand, sides):
        self.ears, self.node, self._make_hand = ears, node, make_hand
        self.commands = {s: ears.listen(JointState, f"{s}/joint_command", 100) for s in sides}
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.states = ears.listen(Bool, "engaged", latched)
        self._client = ears.node.create_client(SetBool, "engage")
        self._skeletons = ears.node.create_publisher(TwoHandSkeleton, "skeleton", 5)
        ears.spin_until(self._client.service_is_ready, START_S, "the service")
        ears.spin_until(self._skeletons.get_subscription_count, START_S, "its subscription")
        ears.spin_until(lambda: self.states, START_S, "its state")
        ears.spin_for(0.5)

    def engage(self, value=True):
        future = self._client.call_async(SetBool.Request(data=value))
        self.ears.spin_until(future.done, 20.0, "the service's answer")
        return future.result()

    def show(self, pose, seconds, sides=("right",), **changes):
        """Publish the pose at 30 Hz, None for no hands."""
        hands = {
            side: self._make_hand(side, joints_relative=_as(side, HANDS[pose]), **changes)
            for side in (sides if pose else ())
        }
        pair = TwoHands(hands.get("right"), hands.get("left"), np.zeros((4, 4), np.uint8))
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._skeletons.publish(two_hand_skeleton(pair, Header(), Intrinsics.CAMERA_INFO))
            self.ears.spin_for(0.033)

    def fingers(self, side="right"):
        """Mean position of the finger joints (not the thumb's) that were commanded last, rad."""
        last = self.commands[side][-1]
        return np.mean(
            [p for n, p in zip(last.name, last.position, strict=True) if "thumb" not in n]
        )


def _as(side, joints):
    """The right hand's joints as that side's, seen obliquely: the palm frame must undo it."""
    joints = joints * (1 if side == "right" else -1, 1, 1)
    c, s = np.cos(0.7), np.sin(0.7)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array(
        [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    )
    return ((joints - joints[0]) @ turn.T).astype(np.float32)


@pytest.fixture
def teleoperation(start_node, ears, make_hand):
    """teleoperation(**parameters) -> Teleoperation whose solvers are ready."""

    def start(ready=True, **parameters):
        side = parameters.get("side", "right")
        sides = ("right", "left") if side == "both" else (side,)
        given = {"python": SOLVER_PYTHON}
        given |= {f"{s}_config": ROBOTS / f"simple_hand_{s}.yml" for s in sides}
        node = start_node("retarget_node", given | parameters)
        made = Teleoperation(ears, node, make_hand, sides)
        for s in sides if ready else ():
            node.wait_for(f"{s} hand: ready to be engaged", START_S)
        return made

    return start


def solver_of(node):
    children = Path(f"/proc/{node.pid}/task").glob("*/children")
    return int(" ".join(file.read_text() for file in children).split()[0])


@needs_solver
def test_a_grasp_closes_the_fingers_and_an_open_hand_opens_them(teleoperation):
    teleop = teleoperation(side="both", max_joint_speed=3.0)
    both = ("right", "left")
    teleop.show("grasp", 0.5, both)
    assert not teleop.commands["right"] and not teleop.states[-1].data  # off until engaged
    assert teleop.engage().success
    for pose, low, high in (("grasp", 1.2, 1.8), ("open", 0.0, 0.6), ("grasp", 1.2, 1.8)):
        teleop.show(pose, 1.5, both)
        for side in both:
            assert low <= teleop.fingers(side) <= high, (pose, side)
    assert teleop.states[-1].data
    _check_speed(teleop.commands["right"], 3.0)
    assert teleop.engage(False).success
    teleop.ears.spin_for(0.3)
    before = len(teleop.commands["right"])
    teleop.show("open", 0.5, both)
    assert len(teleop.commands["right"]) == before and not teleop.states[-1].data


#: Frames of the bundled clip in which the right hand is open, and a fist.
OPEN, FIST = 2, 30


@needs_solver
def test_a_rendered_fist_closes_the_robots_fingers(teleoperation, start_digit, camera, make_scene):
    teleop = teleoperation(max_joint_speed=3.0, hold_s=1.0, timeout_s=5.0)
    start_digit(hold_s=0.5)
    scenes = {frame: make_scene(camera, frame) for frame in (OPEN, FIST)}
    camera.send(scenes[OPEN].info())
    camera.answer(scenes[OPEN].image())
    assert teleop.engage().success
    fingers = {}
    for frame in (OPEN, FIST, OPEN):
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            camera.send(scenes[frame].image())
            teleop.ears.spin_for(0.05)
        fingers.setdefault(frame, []).append(teleop.fingers())
    assert fingers[FIST][0] > max(fingers[OPEN]) + 0.5, fingers
    assert teleop.states[-1].data


def _check_speed(commands, most):
    positions = np.array([c.position for c in commands])
    assert (
        np.diff([c.header.stamp.sec + 1e-9 * c.header.stamp.nanosec for c in commands]) > 0
    ).all()
    # A step is at most that of two periods of 20 ms, however late the timer was.
    assert np.abs(np.diff(positions, axis=0)).max() <= most * 0.04 + 1e-6
    assert np.abs(positions[0]).max() <= most * 0.04 + 1e-6  # from zero, not with a leap


@needs_solver
def test_a_short_loss_is_held_and_a_long_one_stops(teleoperation):
    teleop = teleoperation(hold_s=0.1, timeout_s=1.0, max_joint_speed=0.5)
    teleop.show("grasp", 0.3)
    assert teleop.engage().success
    teleop.show("grasp", 0.5)
    moving = len(teleop.commands["right"])
    teleop.show(None, 0.6)
    positions = np.array([c.position for c in teleop.commands["right"]])
    assert len(positions) > moving + 15  # it is still told where to be
    assert np.ptp(positions[-15:], axis=0).max() == 0.0 and teleop.states[-1].data
    teleop.show("grasp", 0.5, confidence=0.9)
    assert teleop.fingers() > np.mean(positions[-1]) and teleop.states[-1].data
    teleop.show("grasp", 1.6, confidence=0.1)  # there, but not to be believed
    assert not teleop.states[-1].data
    teleop.node.wait_for("disengaged: the right hand has not been seen for 1 s")
    before = len(teleop.commands["right"])
    teleop.show("grasp", 0.5)
    assert len(teleop.commands["right"]) == before  # it does not start again by itself


@needs_solver
@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (signal.SIGKILL, r"the solver ended \(signal 9\)"),
        (signal.SIGSTOP, "the solver has not answered for 0.5 s"),
    ],
    ids=["dies", "hangs"],
)
def test_a_solver_that_dies_or_hangs_stops_and_can_be_started_again(
    teleoperation, number, sentence
):
    teleop = teleoperation(solver_timeout_s=0.5, timeout_s=5.0)
    assert teleop.engage().success
    teleop.show("grasp", 0.5)
    os.kill(solver_of(teleop.node), number)
    teleop.show("grasp", 1.5)
    teleop.node.wait_for("disengaged: " + sentence)
    assert not teleop.states[-1].data and "Traceback" not in teleop.node.output
    answer = teleop.engage()
    assert not answer.success and "its solver is started again" in answer.message
    teleop.ears.spin_until(lambda: teleop.engage().success, START_S, "another solver")
    teleop.show("grasp", 1.5)
    assert teleop.fingers() > 1.0
    pid = solver_of(teleop.node)
    assert teleop.node.stop() == 0
    assert not Path(f"/proc/{pid}").exists()


@needs_solver
def test_it_starts_from_where_the_robot_hand_is(teleoperation):
    teleop = teleoperation(max_joint_speed=0.05)
    states = teleop.ears.publisher(JointState, "joint_states")
    for _ in range(20):  # as a driver does, again and again
        states.publish(JointState(name=["index_base", "elbow"], position=[0.8, 2.0]))
        teleop.ears.spin_for(0.05)
    assert teleop.engage().success
    teleop.show("open", 0.5)
    first = teleop.commands["right"][0]
    assert first.position[list(first.name).index("index_base")] == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"python": "/no/python"}, "/no/python: cannot be run: No such file or directory"),
        ({"python": sys.executable}, "has no dex-retargeting: No module named 'dex_retargeting'"),
        pytest.param({"right_config": "/no.yml"}, "/no.yml: no such file", marks=needs_solver),
        pytest.param(
            {"right_urdf": "/no.urdf"}, "URDF path /no.urdf does not exist", marks=needs_solver
        ),
    ],
)
def test_what_is_missing_is_one_sentence_and_the_node_stays(teleoperation, parameters, sentence):
    teleop = teleoperation(ready=False, **parameters)
    teleop.node.wait_for("right hand: .*" + sentence.replace(".", r"\."), START_S)
    answer = teleop.engage()
    assert not answer.success and sentence in answer.message
    assert teleop.node.running and "Traceback" not in teleop.node.output


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"right_config": "x.yml"}, "parameter python is empty"),
        ({"python": "p", "side": "left"}, "parameter left_config is empty"),
        (
            {"python": "p", "side": "up"},
            "parameter side is 'up'; expected one of right, left, both",
        ),
    ],
)
def test_bad_parameters_are_one_sentence(start_node, parameters, sentence):
    node = start_node("retarget_node", parameters)
    assert node.wait() == 1
    assert sentence in node.output and len(node.output.strip().splitlines()) == 1
