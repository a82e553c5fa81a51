# SPDX-License-Identifier: Apache-2.0
"""digit_node as its own process: answers, bad input, overload, topics on demand, weights."""

import time
from array import array

import cv2
import numpy as np
import pytest
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from digit_ros.labels import LABEL_INFO_TYPE
from digit_ros.msg import HandSkeleton

LATCHED = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
ZERO_K = np.zeros(9)


def set_parameter(ears, name, value):
    """The node's answer to a parameter change."""
    client = ears.node.create_client(SetParameters, "/digit/set_parameters")
    assert client.wait_for_service(10.0)
    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    future = client.call_async(request)
    ears.spin_until(future.done, 10.0, "the parameter's change")
    return future.result().results[0]


def test_an_image_is_answered_with_its_own_header(start_digit, camera):
    start_digit()
    camera.send(camera.info())
    image = camera.picture()
    answer = camera.answer(image)
    assert answer.header == image.header and answer.header.frame_id == "eye"
    for hand in (answer.left, answer.right):
        assert hand.intrinsics == HandSkeleton.CAMERA_INFO
        assert hand.present or np.isnan(hand.pixels).all()
    counts = camera.counts()
    assert counts["frames received"] == counts["frames processed"] == "1"
    assert counts["engine"] in ("openvino", "torch")
    assert counts["device"] and counts["weights"].endswith(".safetensors")


BAD_IMAGES = {
    "unknown encoding": ({"encoding": "rgb9"}, "encoding 'rgb9' is not known"),
    "zero width": ({"width": 0}, "size 0x120 has no pixels"),
    "zero height": ({"height": 0}, "size 160x0 has no pixels"),
    "step too short": ({"step": 479}, "step 479 does not fit"),
    "data too short": ({"data": array("B", bytes(100))}, "data of 100 bytes does not fit"),
    "no data": ({"data": array("B")}, "data of 0 bytes does not fit"),
    "lying size": ({"height": 2**31}, "expected 1030792151040 for 2147483648 rows"),
    "no colour to make": ({"encoding": "yuv422", "width": 1, "step": 2}, "cannot be converted"),
}


def test_each_bad_image_is_named_counted_and_survived(start_digit, camera):
    node = start_digit()
    camera.send(camera.info())
    camera.answer(camera.picture())
    for changes, words in BAD_IMAGES.values():
        bad = camera.picture(**changes)
        camera.send(bad)
        camera.complaint(words)
        camera.answer(camera.picture())
        assert all(skeleton.header != bad.header for skeleton in camera.skeletons)
    assert camera.counts()["bad inputs: image"] == str(len(BAD_IMAGES))
    assert node.running and "Traceback" not in node.output
    assert "/image: encoding 'rgb9' is not known; expected one of rgb8" in node.output


def lying_jpeg(side):
    """A JPEG of 16x16 whose header says that it is `side` wide and high."""
    data = bytearray(cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes())
    frame = data.find(b"\xff\xc0")
    data[frame + 5 : frame + 9] = 2 * side.to_bytes(2, "big")
    return bytes(data)


@pytest.mark.parametrize(
    "data", [b"", b"no picture", b"\xff\xd8\xff\xe0" + bytes(64), lying_jpeg(30_000)]
)
def test_undecodable_compressed_data_is_named_and_survived(start_digit, camera, data):
    node = start_digit(image_transport="compressed")
    camera.send(camera.info())
    camera.send(camera.compressed(data))
    camera.complaint("cannot be decoded; expected a JPEG or PNG picture")
    good = cv2.imencode(".jpg", np.full((120, 160, 3), 90, np.uint8))[1].tobytes()
    assert camera.answer(camera.compressed(good)).right.intrinsics == HandSkeleton.CAMERA_INFO
    assert node.running and "/image/compressed: " in node.output


def test_missing_zero_and_misfitting_camera_info_then_a_good_one(start_digit, camera, ears):
    start_digit()
    without = camera.answer(camera.picture())
    assert without.left.intrinsics == HandSkeleton.NONE
    ears.spin_for(1.0)
    camera.answer(camera.picture())
    camera.complaint("/camera_info: no CameraInfo has arrived; without it no joints in metres")
    camera.send(camera.info(k=ZERO_K))
    ears.spin_for(0.5)
    assert camera.answer(camera.picture()).left.intrinsics == HandSkeleton.NONE
    camera.complaint("/camera_info: K is zero, so the camera is not calibrated")
    camera.send(camera.info(width=320, height=240))
    ears.spin_for(0.5)
    assert camera.answer(camera.picture()).left.intrinsics == HandSkeleton.NONE
    camera.complaint("it is for 320x240 but the image has 160x120 pixels")
    assert int(camera.counts()["bad inputs: camera_info"]) == 4
    camera.send(camera.info())
    ears.spin_for(0.5)
    answer = camera.answer(camera.picture())
    assert answer.left.intrinsics == answer.right.intrinsics == HandSkeleton.CAMERA_INFO


def test_an_assumed_field_of_view_stands_in_and_says_so(start_digit, camera, ears):
    start_digit()
    assert camera.answer(camera.picture()).left.intrinsics == HandSkeleton.NONE
    assert set_parameter(ears, "fallback_hfov_deg", 60.0).successful
    ears.spin_for(1.0)
    assert camera.answer(camera.picture()).left.intrinsics == HandSkeleton.ASSUMED
    camera.complaint("a field of view of 60 degrees is assumed instead")
    refused = set_parameter(ears, "fallback_hfov_deg", 0.5)
    assert not refused.successful and "0 or a number from 1.0 to 170.0" in refused.reason
    assert not set_parameter(ears, "weights", "other.pt").successful


def test_under_overload_only_the_newest_is_answered(start_digit, camera, ears):
    start_digit()
    camera.send(camera.info())
    camera.answer(camera.picture())
    sent = []
    # In bursts without a pause: a busy machine slows a paced sender as much as the node.
    for _ in range(10):
        sent.extend(camera.picture() for _ in range(20))
        for picture in sent[-20:]:
            camera.send(picture)
        ears.spin_for(0.05)
    newest = sent[-1].header
    ears.spin_until(
        lambda: camera.skeletons[-1].header == newest, 20.0, "the newest image's answer"
    )
    stamps = [(s.header.stamp.sec, s.header.stamp.nanosec) for s in camera.skeletons]
    assert stamps == sorted(set(stamps))
    assert len(stamps) < 150
    counts = camera.counts()
    assert int(counts["frames processed"]) + int(counts["frames dropped"]) == int(
        counts["frames received"]
    )


@pytest.mark.parametrize("reliability", [ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE])
def test_qos_auto_takes_both_reliabilities(start_digit, make_camera, ears, reliability):
    start_digit()
    camera = make_camera(reliability)
    camera.answer(camera.picture())
    found = ears.node.get_subscriptions_info_by_topic("/image")
    assert [one.qos_profile.reliability for one in found] == [reliability]


def test_qos_overrides_go_over_what_the_node_chooses(start_node, weights, ears):
    overrides = {
        "qos_overrides./image.subscription.reliability": "best_effort",
        "qos_overrides./skeleton.publisher.reliability": "best_effort",
    }
    start_node("digit_node", {"weights": weights, **overrides})
    ears.publisher(Image, "image", wait_for_subscriber_s=90.0)
    (image,) = ears.node.get_subscriptions_info_by_topic("/image")
    (skeleton,) = ears.node.get_publishers_info_by_topic("/skeleton")
    for end in (image, skeleton):
        assert end.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT


def test_an_override_that_is_none_is_named(start_node, weights):
    name = "qos_overrides./image.subscription.reliability"
    node = start_node("digit_node", {"weights": weights, name: "sometimes"})
    assert node.wait(90.0) == 1
    assert f"{name}: 'sometimes' is none of auto, best_effort, reliable" in node.output


def test_reliable_asked_of_a_best_effort_camera_tells_what_to_set(start_digit, ears):
    node = start_digit(qos_profile="reliable")
    ears.node.create_publisher(Image, "image", BEST_EFFORT)
    node.wait_for(r"set qos_profile to auto or sensor_data", 90.0)


def test_camera_info_without_images_tells_what_to_do(start_digit, camera, ears):
    node = start_digit()
    camera.send(camera.info())
    deadline = time.monotonic() + 20.0
    while "CameraInfo arrives but no images" not in node.output and time.monotonic() < deadline:
        camera.send(camera.info())
        ears.spin_for(0.1)
    assert "FASTDDS_DEFAULT_PROFILES_FILE" in node.output


def test_pictures_on_demand_have_the_images_size_and_header(start_digit, camera, ears):
    start_digit()
    camera.send(camera.info())
    heard = {
        topic: ears.listen(Image, topic, 1)
        for topic in ("segmentation", "segmentation_color", "overlay")
    }
    labels = ears.listen(LABEL_INFO_TYPE, "label_info", LATCHED)
    ears.spin_until(lambda: labels, 90.0, "the labels")
    image = camera.picture()
    camera.answer(image)
    ears.spin_until(lambda: all(heard.values()), 10.0, "the three pictures")
    for topic, encoding in (
        ("segmentation", "mono8"),
        ("segmentation_color", "rgb8"),
        ("overlay", "rgb8"),
    ):
        picture = heard[topic][-1]
        assert (picture.width, picture.height, picture.encoding) == (160, 120, encoding)
        assert picture.header == image.header
    assert max(heard["segmentation"][-1].data) <= 32


def truncated(source, path):
    """The first half of a file."""
    data = source.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def of_another_network(path):
    """Tensors that are no hand network's."""
    from safetensors.numpy import save_file

    save_file({"encoder.weight": np.zeros((3, 3), np.float32)}, path)
    return path


@pytest.mark.parametrize("fault", ["missing", "truncated", "another network", "no weights at all"])
def test_bad_weights_end_the_node_with_one_sentence(start_digit, weights, tmp_path, fault):
    path = tmp_path / "bad.safetensors"
    if fault == "truncated":
        truncated(weights, path)
    elif fault == "another network":
        of_another_network(path)
    elif fault == "no weights at all":
        path.write_text("hello")
    node = start_digit(weights=path)
    assert node.wait(90.0) == 1
    assert "Traceback" not in node.output
    said = [line for line in node.output.splitlines() if "cannot configure" in line]
    assert len(said) == 1 and "bad.safetensors" in said[0]


def test_a_refused_parameter_ends_the_node_with_one_sentence(start_digit):
    node = start_digit(qos_profile="fast")
    assert node.wait(90.0) == 1
    assert "parameter qos_profile is 'fast'; expected one of auto" in node.output
    assert "Traceback" not in node.output


@pytest.mark.parametrize(("given", "in_force"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_that_wait_sleep_unless_the_user_wants_otherwise(start_node, given, in_force):
    env = {"OMP_DISPLAY_ENV": "TRUE", "OMP_WAIT_POLICY": given}  # None unsets it
    # A refused parameter ends the node as soon as torch is loaded.
    node = start_node("digit_node", {"qos_profile": "fast"}, env=env)
    assert node.wait(90.0) == 1
    shown = [line for line in node.output.splitlines() if "OMP_WAIT_POLICY" in line]
    assert shown and all(f"'{in_force}'" in line for line in shown), node.output


def test_an_interrupt_ends_the_node_cleanly(start_digit, camera):
    node = start_digit()
    camera.answer(camera.picture())
    assert node.stop() == 0
    assert "Traceback" not in node.output
