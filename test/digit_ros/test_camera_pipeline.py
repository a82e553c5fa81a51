# SPDX-License-Identifier: Apache-2.0
"""One camera's pipeline without a node: messages in, the real network, messages out."""

import json
import sys
from array import array
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header

from digit_core import weights as core_weights
from digit_core.camera import Camera
from digit_core.estimator import DigitEstimator
from digit_core.hands import DepthSource, Intrinsics
from digit_ros.camera_pipeline import CameraPipeline
from digit_ros.images import BadImage, image_from_array
from digit_ros.messages import FrameNames, wrist_transforms
from digit_ros.parameters import Parameters
from digit_ros.player import intrinsics

CLIPS = Path(__file__).parents[2] / "clips"
GREY = np.full((480, 640, 3), 90, np.uint8)

if not core_weights.BUNDLED.is_file():
    pytest.skip(f"{core_weights.BUNDLED.name} is missing", allow_module_level=True)


@pytest.fixture(scope="module")
def estimator():
    return DigitEstimator.load(device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def pictures():
    """The first pictures of the bundled clip, RGB; hands are apart."""
    capture = cv2.VideoCapture(str(CLIPS / "two_hands.mp4"))
    return [cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB) for _ in range(6)]


class Bench:
    """A pipeline with its estimator, a clock that stands still, and parameters that change."""

    def __init__(self, estimator, topic="/cam/image_raw", namespace="", **given):
        self.parameters, self.now_s, self.faults = Parameters(**given), 0.0, []
        self.estimator = estimator
        self.pipeline = CameraPipeline(
            topic,
            lambda: self.parameters,
            estimator.networks.hand_size_m,
            namespace,
            self.faults.append,
            lambda: self.now_s,
        )

    def show(self, message, received_s=0.0):
        return self.pipeline.process(message, received_s, self.estimator.run)


@pytest.fixture
def bench(estimator):
    return lambda **given: Bench(estimator, **given)


def bits(message):
    """All that a message holds, to the last bit; CDR has random bytes between the fields."""
    if isinstance(message, (list, tuple)):
        return [bits(one) for one in message]
    if isinstance(message, (np.ndarray, array)):
        return message.tobytes()
    if not hasattr(message, "get_fields_and_field_types"):
        return repr(message)
    return {name: bits(getattr(message, name)) for name in message.get_fields_and_field_types()}


def header(stamp_s):
    message = Header(frame_id="eye")
    message.stamp.sec, message.stamp.nanosec = divmod(round(stamp_s * 1e9), 10**9)
    return message


def image(picture, stamp_s):
    return image_from_array(picture, "rgb8", header(stamp_s))


def info(**changes):
    message = intrinsics.from_sidecar(CLIPS / "two_hands.json", 640, 480)
    message.header.frame_id = "eye"
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def wall(metres, stamp_s, frame_id="eye"):
    values = np.full((480, 640), 1000 * metres).astype(np.uint16)
    message = Image(height=480, width=640, encoding="16UC1", step=1280, header=header(stamp_s))
    message.data, message.header.frame_id = array("B", values.tobytes()), frame_id
    return message


def test_it_needs_no_rclpy(start_process):
    program = "import digit_ros.camera_pipeline, sys; sys.exit('rclpy' in sys.modules)"
    assert start_process(sys.executable, "-c", program).wait(150) == 0


def test_messages_in_messages_out(bench, estimator, pictures):
    bench, track = bench(namespace="left/", tf_prefix="robot_"), estimator.tracker()
    bench.pipeline.take_camera_info(info())
    camera = Camera.from_camera_info(info(), rectified=False)
    for number, picture in enumerate(pictures[:3]):
        stamp_s = 100 + 0.04 * number
        result = bench.show(image(picture, stamp_s))
        hands = track(picture, camera, stamp_s)
        assert result.header == header(stamp_s) == result.skeleton.header
        for side in ("right", "left"):
            pixels = np.reshape(getattr(result.skeleton, side).pixels, (21, 2))
            np.testing.assert_array_equal(pixels, getattr(hands, side).joints_2d)
    names = FrameNames("robot_left/")
    assert result.transforms(fingers=False) == wrist_transforms(result.skeleton, names)
    assert len(result.transforms(fingers=True)) == 2 + 2 * 20
    assert result.skeleton.right.intrinsics == Intrinsics.CAMERA_INFO
    assert result.message("segmentation").encoding == "mono8"
    assert max(result.message("segmentation").data) > 0
    assert bench.faults == []


def test_raw_and_compressed_images_are_told_by_their_type(bench, pictures):
    data = cv2.imencode(".png", pictures[0][:, :, ::-1])[1].tobytes()
    packed = CompressedImage(format="png", data=array("B", data), header=header(5.0))
    raw, compressed = (bench().show(m).skeleton for m in (image(pictures[0], 5.0), packed))
    assert raw.right.present and bits(raw) == bits(compressed)
    with pytest.raises(BadImage, match="cannot be decoded"):
        bench().show(CompressedImage(format="png", data=array("B", data[:50])))


def test_without_camera_info_there_are_no_metres_and_a_sentence(bench, pictures):
    bench = bench()
    prepared = bench.pipeline.prepare(image(pictures[0], 1.0), 0.0)
    assert prepared.request.camera is None and "no CameraInfo has arrived" in prepared.camera_note
    assert prepared.intrinsics == Intrinsics.NONE
    bench.parameters = Parameters(fallback_hfov_deg=60.0)
    assumed = bench.show(image(pictures[0], 1.1)).skeleton.right
    assert assumed.intrinsics == Intrinsics.ASSUMED and np.isfinite(assumed.wrist.position.z)
    bench.pipeline.take_camera_info(info())
    assert bench.pipeline.prepare(image(pictures[0], 1.2), 0.0).camera_note == ""
    bench.pipeline.restart()
    assert "no CameraInfo" in bench.pipeline.prepare(image(pictures[0], 1.3), 0.0).camera_note


@pytest.mark.parametrize(
    ("topic", "rectified", "fx"),
    [
        ("/cam/image_raw", "auto", 500.0),
        ("/cam/image_rect", "auto", 700.0),
        ("/cam/image_raw", "true", 700.0),
        ("/cam/image_rect", "false", 500.0),
    ],
)
def test_rectified_images_are_told_by_parameter_or_topic(bench, pictures, topic, rectified, fx):
    bench = bench(topic=topic, rectified=rectified)
    k = [500.0, 0.0, 319.5, 0.0, 500.0, 239.5, 0.0, 0.0, 1.0]
    p = [700.0, 0.0, 319.5, 0.0, 0.0, 700.0, 239.5, 0.0, 0.0, 0.0, 1.0, 0.0]
    bench.pipeline.take_camera_info(CameraInfo(width=640, height=480, k=k, p=p))
    assert bench.pipeline.prepare(image(GREY, 1.0), 0.0).request.camera.fx == fx


def test_a_stamp_of_zero_is_the_time_of_arrival(bench, pictures):
    bench = bench()
    for number in range(3):
        bench.show(image(pictures[number], 0.0), received_s=50 + 0.04 * number)
    assert bench.pipeline.state.stamp_s == 50.08 and len(bench.pipeline.state.held) == 2
    # Too long a gap for the same hands: they are found anew.
    prepared = bench.pipeline.prepare(image(GREY, 0.0), 60.0)
    assert prepared.request.stamp_s == 60.0
    bench.estimator.run([prepared.job])
    assert not bench.pipeline.state.held


def test_a_lost_hand_is_held_and_can_be_forgotten(bench, pictures):
    bench = bench(hold_s=0.2)
    seen = bench.show(image(pictures[0], 9.0)).skeleton.right
    held = bench.show(image(GREY, 9.05)).skeleton
    assert held.right.present and held.right.pixels.tolist() == seen.pixels.tolist()
    assert held.right.confidence == pytest.approx(0.75 * seen.confidence)
    bench.pipeline.forget_hands()
    assert not bench.show(image(GREY, 9.06)).skeleton.right.present
    bench.show(image(pictures[0], 9.1))
    bench.parameters = replace(bench.parameters, hold_s=0.0)
    assert not bench.show(image(GREY, 9.12)).skeleton.right.present


def test_parameters_may_change_between_images(bench, pictures):
    bench = bench()
    assert bench.show(image(pictures[0], 1.0)).hands.raw is not None
    bench.parameters = Parameters(smooth=False, hand_size_m=0.15)
    assert bench.show(image(pictures[1], 1.04)).hands.raw is None
    assert bench.pipeline.state.known_scale.size_m == 0.15


def test_depth_images_are_found_by_stamp_and_refused_in_a_sentence(bench, pictures):
    bench = bench(depth_source="depth_image")
    bench.pipeline.take_camera_info(info())
    by_size = bench.show(image(pictures[0], 1.0)).skeleton.right
    assert by_size.depth_source == DepthSource.HAND_SIZE
    assert "no depth image within 0.02 s" in bench.faults.pop()
    near = by_size.wrist.position.z + 0.02
    bench.pipeline.take_depth(wall(near, 1.04))
    told = bench.show(image(pictures[1], 1.04)).skeleton.right
    assert told.depth_source == DepthSource.DEPTH_IMAGE and not bench.faults
    bench.pipeline.take_depth(wall(near, 1.08, frame_id="nose"))
    assert bench.show(image(pictures[2], 1.08)).skeleton.right.present
    assert "the depth image's frame is 'nose' but the image's is 'eye'" in bench.faults.pop()
    small = Image(height=2, width=8, encoding="16UC1", step=16, data=array("B", bytes(32)))
    small.header = header(1.12)
    bench.pipeline.take_depth(small)
    bench.show(image(pictures[3], 1.12))
    assert "has 8x2 pixels but the image 640x480" in bench.faults.pop()


def test_boxes_take_the_detector_s_place_while_they_are_fresh(bench, pictures, estimator):
    (x, y, width, height) = estimator(pictures[0]).right.box.round().astype(int).tolist()
    bench = bench(detector="boxes")
    assert not bench.show(image(pictures[0], 1.0)).skeleton.right.present
    region = RegionOfInterest(x_offset=x, y_offset=y, width=width, height=height)
    bench.pipeline.take_box(region)
    assert bench.show(image(pictures[0], 1.1)).skeleton.right.present
    bench.pipeline.forget_hands()
    bench.now_s = 10.0  # by the pipeline's clock the box is old
    assert not bench.show(image(pictures[0], 1.2)).skeleton.right.present


def test_it_goes_on_from_plain_numbers_to_the_last_bit(bench, pictures):
    """Also over a hand that is held while the other camera image is grey."""
    given = {"depth_source": "depth_image", "hold_s": 0.5}
    shown = [*pictures[:3], GREY, GREY, *pictures[3:]]
    unbroken, broken = bench(**given), bench(**given)
    for number, picture in enumerate(shown):
        told = json.loads(json.dumps(broken.pipeline.to_dict(), allow_nan=False))
        broken = bench(**given)
        broken.pipeline.resume(told)
        found = []
        for one in (unbroken, broken):
            one.pipeline.take_camera_info(info())
            stamp_s = 3 + 0.04 * number
            one.pipeline.take_depth(wall(0.6, stamp_s))
            result = one.show(image(picture, stamp_s))
            found.append(bits([result.skeleton, result.message("skeleton_raw")]))
        assert found[0] == found[1], number
    assert unbroken.pipeline.to_dict() == broken.pipeline.to_dict()
    assert unbroken.pipeline.state.size_learner.to_dict()["given"]


@pytest.mark.parametrize("values", [{}, {"track": {}, "hold": {}}, {"track": None, "hold": []}])
def test_what_is_no_state_is_refused(bench, values):
    with pytest.raises(ValueError, match="state|held hands"):
        bench().pipeline.resume(values)
