# SPDX-License-Identifier: Apache-2.0
"""Malformed and extreme messages through the real path: CDR, callbacks, network, publishers."""

import gc
import math
import os
import time
from array import array

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

import rclpy
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from tf2_msgs.msg import TFMessage

from digit_core import weights as core_weights
from digit_ros import images
from digit_ros.digit_node import DigitNode
from digit_ros.image_result import ON_DEMAND
from digit_ros.latest_frame_queue import ImageArrived
from digit_ros.msg import TwoHandSkeleton

COUNT = int(os.environ.get("DIGIT_FUZZ_COUNT", 200))
SEED = int(os.environ.get("DIGIT_FUZZ_SEED", 0))
RGB_ENCODINGS = list(images._ENCODINGS)
DEPTH_ENCODINGS = list(images._DEPTH_ENCODINGS)

edge_sizes = st.sampled_from([0, 1, 2, 3, 7, 64, 65, 257, 32767, 32768, 65535, 2**31, 2**32 - 1])
sizes = st.one_of(st.integers(1, 48), st.integers(1, 48), edge_sizes)
text = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
number = st.one_of(
    st.floats(-2000, 2000),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -0.0, 1e-308, 1e308, -1e308, 1e38, 1e39, math.nan, math.inf, 500.0]),
)
pattern = st.one_of(st.binary(min_size=1, max_size=16), st.sampled_from([b"\0", b"\xff", b"\x7f"]))
stamps = st.tuples(
    st.one_of(st.integers(0, 100), st.sampled_from([-(2**31), -1, 0, 2**31 - 1])),
    st.one_of(st.integers(0, 10**9 - 1), st.sampled_from([10**9, 2**32 - 1])),
)
LARGEST = 1 << 21  # bytes: larger ones only cost time


def stamped(draw, message):
    message.header.stamp.sec, message.header.stamp.nanosec = draw(stamps)
    message.header.frame_id = draw(st.one_of(st.just("eye"), text))
    return message


@st.composite
def an_image(draw, encodings):
    """An Image that is right, or wrong in size, step, length or name."""
    encoding = draw(st.one_of(st.sampled_from(encodings), st.sampled_from(encodings), text))
    message = Image(encoding=encoding, height=draw(sizes), width=draw(sizes))
    message.is_bigendian = draw(st.sampled_from([0, 0, 1, 255]))
    known = images._ENCODINGS.get(encoding) or images._DEPTH_ENCODINGS.get(encoding, (None,))[0]
    row = message.width * (known.channels * np.dtype(known.dtype).itemsize if known else 3)
    step = row + draw(st.sampled_from([0, 0, 0, 1, 3, 64, -1]))
    message.step = draw(st.one_of(st.just(step), st.just(step), sizes)) % 2**32
    length = message.step * message.height + draw(st.sampled_from([0, 0, 0, -1, 1, -message.step]))
    some = draw(pattern)
    length = max(0, min(length, LARGEST))
    message.data = array("B", (some * (length // len(some) + 1))[:length])
    return stamped(draw, message)


@st.composite
def a_camera_info(draw):
    """A CameraInfo of any numbers."""
    message = CameraInfo(width=draw(sizes), height=draw(sizes))
    names = ["plumb_bob", "rational_polynomial", "equidistant", "fisheye", "none", ""]
    message.distortion_model = draw(st.one_of(st.sampled_from(names), text))
    message.d = draw(st.lists(number, max_size=15))
    f = draw(st.one_of(st.floats(1, 500), number))
    k = [f, 0.0, 8.0, 0.0, f, 8.0, 0.0, 0.0, 1.0]
    message.k = draw(st.one_of(st.just(k), st.lists(number, min_size=9, max_size=9)))
    message.p = draw(st.lists(number, min_size=12, max_size=12))
    message.binning_x, message.binning_y = draw(st.tuples(sizes, sizes))
    for name in ("x_offset", "y_offset", "width", "height"):
        setattr(message.roi, name, draw(st.one_of(st.just(0), sizes)))
    if draw(st.booleans()):
        message.width = message.height = message.binning_x = message.binning_y = 0
        message.roi.width = message.roi.height = 0
    return stamped(draw, message)


SCENE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
PAYLOADS = [
    cv2.imencode(kind, SCENE)[1].tobytes() for kind in (".jpg", ".png", ".bmp", ".webp", ".tiff")
]


@st.composite
def a_compressed(draw):
    """A CompressedImage: whole, cut, with bytes exchanged, or anything at all."""
    data = bytearray(draw(st.one_of(st.sampled_from(PAYLOADS), st.binary(max_size=64))))
    for place, byte in draw(
        st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6)
    ):
        if place < len(data):
            data[place] = byte
    cut = draw(st.one_of(st.none(), st.none(), st.integers(0, 2000)))
    message = CompressedImage(format=draw(text), data=array("B", bytes(data[:cut])))
    return stamped(draw, message)


class Bench:
    """A real, active digit_node in this process with a listener to all that it publishes."""

    def __init__(self, **parameters):
        words = ["--ros-args"]
        for name, value in parameters.items():
            words += ["-p", f"{name}:={value}"]
        rclpy.init(args=words)
        self.node = DigitNode()
        assert self.node.start()
        self.stream = self.node._streams[0]
        self.stream._first_s = 0.0  # the time of grace for a CameraInfo is over
        self._listener = rclpy.create_node("listener")
        kinds = {"skeleton": TwoHandSkeleton, "/tf": TFMessage}
        kinds |= {topic: kind for topic, (kind, _, _) in ON_DEMAND.items()}
        for topic, kind in kinds.items():
            self._listener.create_subscription(kind, topic, lambda _: None, 1)
        limit = time.monotonic() + 30
        while len(self.stream._outputs.wanted(self.node.parameters)) < len(kinds):
            assert time.monotonic() < limit, "the listener was not found"
            time.sleep(0.05)

    def show(self, message):
        """One image as the executor and the worker pass it on; (processed, bad by kind, said)."""
        message = deserialize_message(serialize_message(message), type(message))
        before = self.stream.counters.summary(0.0)
        arrived = ImageArrived(message, time.monotonic())
        self.node._worker.answer({self.stream.name: arrived})
        after = self.stream.counters.summary(0.0)
        bad = {kind: after.bad[kind] - before.bad.get(kind, 0) for kind in after.bad}
        bad = {kind: more for kind, more in bad.items() if more}
        return after.processed - before.processed, bad, self.stream.warnings._newest[1]

    def hear_info(self, message):
        """A CameraInfo as the executor passes it on."""
        self.stream._on_camera_info(deserialize_message(serialize_message(message), CameraInfo))

    def hear_depth(self, message):
        """A depth image as the executor passes it on."""
        self.stream.pipeline.take_depth(deserialize_message(serialize_message(message), Image))

    def close(self):
        self.node.destroy_node()
        self._listener.destroy_node()
        rclpy.try_shutdown()
        # rclpy leaves a lifecycle node's services in the graph, unanswered, until the node's cycles
        # are collected; the next test's client would ask those.
        self.node = self.stream = self._listener = None
        gc.collect()


def opened(**parameters):
    if not core_weights.BUNDLED.is_file():
        pytest.skip(f"{core_weights.BUNDLED.name} is missing")
    bench = Bench(publish_finger_tf="true", **parameters)
    yield bench
    bench.close()


def tried(share):
    """How a property is run: so many cases, by the seed alone."""

    def wrap(test):
        test = settings(
            max_examples=max(1, round(COUNT * share)),
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )(test)
        return seed(SEED)(test)

    return wrap


def check(outcome):
    """Answered, or refused in one sentence of ours; never an error that nobody thought of."""
    processed, bad, said = outcome
    assert "internal" not in bad, said
    assert processed == (0 if "image" in bad else 1), outcome
    if bad:
        assert said and said.isprintable()


def good_image():
    message = Image(encoding="rgb8", width=16, height=16, step=48)
    message.data = array("B", SCENE[:16, :16].tobytes())
    message.header.frame_id = "eye"
    return message


class TestRaw:
    @pytest.fixture(scope="class")
    @classmethod
    def bench(cls):
        yield from opened(depth_source="depth_image", depth_tolerance_s=1.0)

    @pytest.mark.parametrize("stamp", [(-1, 0), (-(2**31), 0), (2**31 - 1, 2**32 - 1)])
    def test_wild_stamps_are_answered(self, bench, stamp):
        message = good_image()
        message.header.stamp.sec, message.header.stamp.nanosec = stamp
        check(bench.show(message))

    @tried(0.5)
    @given(message=an_image(RGB_ENCODINGS))
    def test_images(self, bench, message):
        check(bench.show(message))

    def test_an_encoding_cannot_forge_a_line_of_the_log(self, bench):
        message = good_image()
        message.encoding = "\n[INFO] all is well\x1b[2J"
        processed, bad, said = bench.show(message)
        assert (processed, bad) == (0, {"image": 1})
        assert r"\n[INFO] all is well\x1b[2J" in said and said.isprintable()

    def test_camera_info_without_a_size_serves(self, bench):
        info = CameraInfo(k=[500.0, 0.0, 8.0, 0.0, 500.0, 8.0, 0.0, 0.0, 1.0])
        bench.hear_info(info)
        processed, bad, said = bench.show(good_image())
        assert processed == 1 and "internal" not in bad and "camera_info" not in bad, said

    @tried(0.25)
    @given(info=a_camera_info())
    def test_camera_infos(self, bench, info):
        bench.hear_info(info)
        check(bench.show(good_image()))

    @tried(0.25)
    @given(depth=an_image(DEPTH_ENCODINGS))
    def test_depth_images(self, bench, depth):
        depth.header.stamp.sec = depth.header.stamp.nanosec = 0
        bench.hear_depth(depth)
        check(bench.show(good_image()))


class TestCompressed:
    @pytest.fixture(scope="class")
    @classmethod
    def bench(cls):
        yield from opened(image_transport="compressed")

    @tried(0.5)
    @given(message=a_compressed())
    def test_payloads(self, bench, message):
        check(bench.show(message))
