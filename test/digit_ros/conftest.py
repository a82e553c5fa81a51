# SPDX-License-Identifier: Apache-2.0
"""Made-up hands for the message builders; weights and a camera for the node's tests."""

import json
import time
from array import array
from pathlib import Path

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest

from digit_core import weights as core_weights
from digit_core.hands import DepthSource, Hand, TwoHands
from digit_core.skeleton import NUM_JOINTS, SIDES
from digit_ros.msg import TwoHandSkeleton

CLIPS = Path(__file__).parents[2] / "clips"
#: torch on a busy machine takes its time to import.
START_S = 150.0


def _hand(side: str, seed: int, **changes) -> Hand:
    random = np.random.default_rng(seed)
    relative = random.normal(scale=0.05, size=(NUM_JOINTS, 3)).astype(np.float32)
    relative[0] = 0.0
    values = {
        "side": side,
        "confidence": 0.9,
        "joints_2d": random.uniform(0, 400, (NUM_JOINTS, 2)).astype(np.float32),
        "joints_relative": relative,
        "joints_3d": relative + np.array([0.1, -0.05, 0.6], np.float32),
        "joint_confidence": random.uniform(0, 1, NUM_JOINTS).astype(np.float32),
        "joint_sigma_px": random.uniform(1, 5, NUM_JOINTS).astype(np.float32),
        "valid": np.ones(NUM_JOINTS, bool),
        "box": np.array([10, 20, 200, 200], np.float32),
        "depth_source": DepthSource.HAND_SIZE,
        "depth_sigma": 0.04,
        "wrist_orientation": np.array([0.5, -0.5, 0.5, 0.5], np.float32),
    }
    return Hand(**(values | changes))


@pytest.fixture
def make_hand():
    """make_hand(side, seed=0, **changes) -> Hand with every joint valid and placed."""
    return lambda side, seed=0, **changes: _hand(side, seed, **changes)


@pytest.fixture
def two_hands(make_hand):
    """Both hands, and an empty segmentation of 480x640."""
    return TwoHands(
        right=make_hand("right", 1),
        left=make_hand("left", 2),
        segmentation=np.zeros((480, 640), np.uint8),
    )


def make_untrained_weights(path: Path) -> Path:
    """A weights file of the right form whose network has learned nothing."""
    import torch
    from safetensors.torch import save_file

    from digit_core.network import build_model
    from digit_core.network.detector import HandDetector

    torch.manual_seed(0)
    networks = {"pose.": build_model("digit-lite"), "detector.": HandDetector()}
    state = {
        prefix + name: tensor.contiguous()
        for prefix, network in networks.items()
        for name, tensor in network.state_dict().items()
    }
    save_file(state, path, metadata={"model": "digit-lite"})
    return path


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> Path:
    """The bundled weights, or untrained ones where they are missing."""
    if core_weights.BUNDLED.is_file():
        return core_weights.BUNDLED
    return make_untrained_weights(tmp_path_factory.mktemp("weights") / "untrained.safetensors")


class CameraAndEars:
    """Speaks to digit_node as a camera does and hears its answers.

    Attributes:
        skeletons, diagnostics: messages heard so far.
    """

    SIZE = (160, 120)

    def __init__(self, ears, reliability, name=""):
        self.ears = ears
        self._qos = QoSProfile(depth=10, reliability=reliability)
        self._prefix = f"{name}/" if name else ""
        self._publishers = {}
        self.skeletons = ears.listen(TwoHandSkeleton, self._prefix + "skeleton", 50)
        self.diagnostics = ears.listen(DiagnosticArray, "/diagnostics", 10)

    def picture(self, **changes) -> Image:
        """A grey rgb8 Image with a stamp of its own; `changes` replace fields."""
        width, height = self.SIZE
        message = Image(height=height, width=width, encoding="rgb8", step=3 * width)
        message.data = array("B", [90]) * (3 * width * height)
        return self._finished(message, changes)

    def compressed(self, data: bytes) -> CompressedImage:
        """A CompressedImage with a stamp of its own."""
        return self._finished(CompressedImage(format="jpeg", data=array("B", data)), {})

    def info(self, **changes) -> CameraInfo:
        """A CameraInfo that fits `picture`; `changes` replace fields."""
        width, height = self.SIZE
        message = CameraInfo(width=width, height=height)
        message.k = [150.0, 0.0, 79.5, 0.0, 150.0, 59.5, 0.0, 0.0, 1.0]
        message.p = [150.0, 0.0, 79.5, 0.0, 0.0, 150.0, 59.5, 0.0, 0.0, 0.0, 1.0, 0.0]
        return self._finished(message, changes)

    def _finished(self, message, changes):
        message.header.frame_id = "eye"
        seconds, nanoseconds = divmod(time.time_ns(), 10**9)
        message.header.stamp.sec, message.header.stamp.nanosec = seconds, nanoseconds
        for name, value in changes.items():
            setattr(message, name, value)
        return message

    def send(self, message, topic=None) -> None:
        """Publish on the topic of the message's type, or another, once somebody listens."""
        topics = {
            CompressedImage: "image/compressed",
            CameraInfo: "camera_info",
            RegionOfInterest: "boxes",
        }
        topic = self._prefix + (topic or topics.get(type(message), "image"))
        if topic not in self._publishers:
            self._publishers[topic] = self.ears.node.create_publisher(
                type(message), topic, self._qos
            )
        publisher = self._publishers[topic]
        if not publisher.get_subscription_count():
            self.ears.spin_until(publisher.get_subscription_count, START_S, "a subscription")
            # Best effort: what comes before the node knows the publisher too is lost.
            self.ears.spin_for(0.5)
        publisher.publish(message)

    def answer(self, message) -> TwoHandSkeleton:
        """Publish an image and wait for the skeleton with its header."""
        self.send(message)

        def found():
            return next((s for s in self.skeletons if s.header == message.header), None)

        return self.ears.spin_until(found, START_S, "the answer to the image")

    def complaint(self, words: str) -> str:
        """Wait until diagnostics say something with these words."""

        def found():
            texts = [array.status[0].message for array in self.diagnostics]
            return next((text for text in reversed(texts) if words in text), None)

        return self.ears.spin_until(found, 10.0, f"a complaint with {words!r}")

    def counts(self) -> dict[str, str]:
        """The rows of the next diagnostics message."""
        return {row.key: row.value for row in self.statuses()[0].values}

    def statuses(self):
        """The statuses of the next diagnostics message, one a camera."""
        before = len(self.diagnostics)
        self.ears.spin_until(lambda: len(self.diagnostics) > before + 1, 10.0, "diagnostics")
        return self.diagnostics[-1].status


@pytest.fixture
def make_camera(ears):
    """make_camera(reliability, name="") -> CameraAndEars."""
    return lambda reliability, name="": CameraAndEars(ears, reliability, name)


@pytest.fixture
def camera(make_camera):
    """A `CameraAndEars` that publishes reliably."""
    return make_camera(ReliabilityPolicy.RELIABLE)


class Lifecycle:
    """Calls digit_node's lifecycle services, once it answers."""

    def __init__(self, ears):
        self._ears, self._heard = ears, False
        self._change = ears.node.create_client(ChangeState, "/digit/change_state")
        self._get = ears.node.create_client(GetState, "/digit/get_state")

    def change(self, transition) -> bool:
        """Whether the transition was made."""
        self._listen()
        future = self._change.call_async(ChangeState.Request(transition=Transition(id=transition)))
        self._ears.spin_until(future.done, 60.0, "the service's answer")
        return future.result().success

    @property
    def state(self) -> int:
        self._listen()
        return self._ask(60.0)

    def _listen(self):
        """A service knows its client a moment after that knows it; till then answers are lost."""
        deadline = time.monotonic() + START_S
        while not self._heard:
            assert time.monotonic() < deadline, "the lifecycle services did not come"
            self._ears.spin_until(self._get.service_is_ready, START_S, "the lifecycle services")
            self._heard = self._ask(0.5, give_up=True) is not None

    def _ask(self, timeout_s, give_up=False):
        future = self._get.call_async(GetState.Request())
        deadline = time.monotonic() + timeout_s
        self._ears.spin_until(
            lambda: future.done() or (give_up and time.monotonic() > deadline),
            timeout_s + 1.0,
            "the service's answer",
        )
        return future.result().current_state.id if future.done() else None


@pytest.fixture
def lifecycle(ears):
    """A `Lifecycle` of the node that a test starts."""
    return Lifecycle(ears)


class HandsScene:
    """One frame of the bundled clip as a camera sends it; in the first second hands are apart.

    Attributes:
        picture: (480, 640, 3) uint8 RGB.
        wrist_m: side to the true wrist's depth, metres.
    """

    def __init__(self, camera, frame=5):
        self._camera = camera
        video = cv2.VideoCapture(str(CLIPS / "two_hands.mp4"))
        video.set(cv2.CAP_PROP_POS_FRAMES, frame)
        self.picture = cv2.cvtColor(video.read()[1], cv2.COLOR_BGR2RGB)
        self._intrinsics = json.loads((CLIPS / "two_hands.json").read_text())
        with np.load(CLIPS / "two_hands_truth.npz") as truth:
            self.pixels = dict(zip(SIDES, truth["joints_px"][frame], strict=True))
            joints = truth["joints_cam_m"][frame]
        self.wrist_m = {side: float(joints[i, 0, 2]) for i, side in enumerate(SIDES)}

    def image(self, picture=None) -> Image:
        """The frame, or another picture of its size."""
        picture = self.picture if picture is None else picture
        message = Image(height=480, width=640, encoding="rgb8", step=3 * 640)
        message.data = array("B", picture.tobytes())
        return self._camera._finished(message, {})

    def info(self) -> CameraInfo:
        """The clip's intrinsics."""
        k = [self._intrinsics[name] for name in ("fx", "fy", "cx", "cy")]
        matrix = [k[0], 0.0, k[2], 0.0, k[1], k[3], 0.0, 0.0, 1.0]
        return self._camera.info(width=640, height=480, k=matrix, p=np.zeros(12))

    def depth(self, metres: float, image: Image, encoding="16UC1") -> Image:
        """A wall at a distance, stamped as `image` is."""
        kind, unit = (np.uint16, 0.001) if encoding == "16UC1" else (np.float32, 1.0)
        values = np.full((480, 640), metres / unit).astype(kind)
        message = Image(height=480, width=640, encoding=encoding, step=640 * values.itemsize)
        message.data, message.header = array("B", values.tobytes()), image.header
        return message

    def region(self, side: str) -> RegionOfInterest:
        """The box of a hand's true joints."""
        low, high = self.pixels[side].min(0), self.pixels[side].max(0)
        x, y, width, height = (int(round(v)) for v in (*low, *(high - low)))
        return RegionOfInterest(x_offset=x, y_offset=y, width=width, height=height)


@pytest.fixture
def make_scene():
    """make_scene(camera, frame=5) -> HandsScene; needs the bundled clip and weights."""
    if not core_weights.BUNDLED.is_file():
        pytest.skip(f"{core_weights.BUNDLED.name} is missing")
    return HandsScene


@pytest.fixture
def scene(camera, make_scene):
    """A `HandsScene` of `camera`."""
    return make_scene(camera)


@pytest.fixture
def start_digit(start_node, weights):
    """start_digit(**parameters) -> the node's Process, with weights that load."""
    return lambda **given: start_node("digit_node", {"weights": weights, **given})
