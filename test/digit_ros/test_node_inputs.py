# SPDX-License-Identifier: Apache-2.0
"""digit_node's other inputs: depth images, boxes, several cameras, silence, clocks, nobody."""

import numpy as np
import pytest
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import RegionOfInterest
from tf2_msgs.msg import TFMessage

from digit_ros.msg import HandSkeleton

RELIABLE = ReliabilityPolicy.RELIABLE


def wrists(skeleton):
    return {side: getattr(skeleton, side).wrist.position.z for side in ("right", "left")}


def sources(skeleton):
    return {getattr(skeleton, side).depth_source for side in ("right", "left")}


def test_depth_images_tell_the_wrists_depth_and_hand_size_serves_without(
    start_digit, camera, scene, ears
):
    start_digit(depth_source="depth_image", smooth=False, learn_hand_size=False)
    camera.send(scene.info())
    first = camera.answer(scene.image())
    assert sources(first) == {HandSkeleton.HAND_SIZE}
    camera.complaint("/depth: no depth image within 0.02 s of an image; hand size is used")
    for encoding in ("16UC1", "32FC1"):
        image = scene.image()
        camera.send(scene.depth(0.58, image, encoding), "depth")
        answer = camera.answer(image)
        assert sources(answer) == {HandSkeleton.DEPTH_IMAGE}
        # The wall is the skin: wrists lie some centimetres behind it, and fingers before or after.
        assert all(0.55 < z < 0.68 for z in wrists(answer).values())
        assert all(0 < getattr(answer, side).depth_sigma < 0.05 for side in ("left", "right"))


def test_depth_images_that_do_not_fit_are_named(start_digit, camera, scene):
    start_digit(depth_source="depth_image")
    camera.send(scene.info())
    faults = {
        "expected one registered": lambda d: setattr(d, "width", 320),
        "frame is 'ir'": lambda d: setattr(d, "header", type(d.header)(d.header.stamp, "ir")),
        "encoding 'mono8' is no depth": lambda d: setattr(d, "encoding", "mono8"),
        "does not fit": lambda d: setattr(d, "step", 7),
    }
    for words, spoil in faults.items():
        image = scene.image()
        depth = scene.depth(0.6, image)
        if words.startswith("frame"):
            depth.header = type(image.header)(stamp=image.header.stamp, frame_id="ir")
        else:
            spoil(depth)
        camera.send(depth, "depth")
        assert sources(camera.answer(image)) == {HandSkeleton.HAND_SIZE}
        camera.complaint(words)


def test_no_depth_leaves_positions_nan(start_digit, camera, scene, ears):
    start_digit(depth_source="none")
    transforms = ears.listen(TFMessage, "/tf", 10)
    camera.send(scene.info())
    hand = camera.answer(scene.image()).right
    assert hand.present and hand.depth_source == HandSkeleton.NONE
    assert np.isnan([p.z for p in hand.positions]).all()
    assert np.isfinite([p.z for p in hand.relative]).all()
    ears.spin_for(0.3)
    assert transforms == []


def test_boxes_stand_in_for_the_detector(start_digit, camera, scene, ears):
    start_digit(detector="boxes", hold_s=0.0)
    camera.send(scene.info())
    nobody = camera.answer(scene.image())
    assert not nobody.right.present and not nobody.left.present
    for side in ("right", "left"):
        camera.send(scene.region(side))
    ears.spin_for(0.2)
    both = camera.answer(scene.image())
    for side in ("right", "left"):
        pixels = np.reshape(getattr(both, side).pixels, (21, 2))
        assert np.median(np.linalg.norm(pixels - scene.pixels[side], axis=1)) < 12
    camera.send(RegionOfInterest())
    ears.spin_for(0.8)
    gone = camera.answer(scene.image(np.zeros((480, 640, 3), np.uint8)))
    assert not gone.right.present


def test_several_cameras_in_one_node(start_digit, make_camera, make_scene, ears):
    cameras = {name: make_camera(RELIABLE, name) for name in ("left_eye", "right_eye", "dead")}
    start_digit(cameras=list(cameras), smooth=False)
    seeing = [cameras["left_eye"], cameras["right_eye"]]
    transforms = ears.listen(TFMessage, "/tf", 100)
    scenes = {camera: make_scene(camera) for camera in seeing}
    for camera, scene in scenes.items():
        camera.send(scene.info())
        camera.answer(scene.image())
    sent = []
    for _ in range(10):
        for camera, scene in scenes.items():
            sent.append((camera, scene.image()))
            camera.send(sent[-1][1])
        ears.spin_for(0.15)
    for camera, image in sent[-2:]:
        ears.spin_until(lambda c=camera, i=image: c.skeletons[-1].header == i.header, 20.0)
    one, other = (camera.skeletons[-1] for camera in seeing)
    np.testing.assert_allclose(one.right.pixels, other.right.pixels, atol=0.5)
    frames = {t.child_frame_id for message in transforms for t in message.transforms}
    assert frames == {
        f"{c}/{s}_wrist" for c in ("left_eye", "right_eye") for s in ("left", "right")
    }
    statuses = {status.name: status for status in seeing[0].statuses()}
    assert set(statuses) == {f"digit: /{name}/image" for name in cameras}
    dead = statuses["digit: /dead/image"]
    assert dead.message == "/dead/image: nobody publishes images; is the camera running?"
    # Bad images of one camera are its own.
    bad = seeing[0].picture(encoding="rgb9")
    seeing[0].send(bad)
    last = scenes[seeing[1]].image()
    assert seeing[1].answer(last).right.present
    ears.spin_until(
        lambda: any("rgb9" in s.message for s in seeing[0].diagnostics[-1].status), 10.0
    )


def test_silence_is_told_once_and_ends_by_itself(start_digit, camera, scene, ears):
    start_digit(timeout_s=0.3)
    camera.send(scene.info())
    assert camera.answer(scene.image()).right.present
    before = len(camera.skeletons)
    ears.spin_for(1.5)
    silent = camera.skeletons[before:]
    assert len(silent) == 1 and silent[0].header.frame_id == "eye"
    assert not silent[0].right.present and np.isnan(silent[0].right.pixels).all()
    assert camera.answer(scene.image()).right.present


def test_a_lost_hand_is_held_then_absent(start_digit, camera, scene):
    start_digit(hold_s=0.4, timeout_s=5.0)
    black = np.zeros((480, 640, 3), np.uint8)
    camera.send(scene.info())
    first = scene.image()
    seen = camera.answer(first).right
    held = camera.answer(later(scene.image(black), first, 0.2)).right
    assert held.present and held.positions == seen.positions
    assert held.confidence == pytest.approx(seen.confidence / 2, rel=0.01)
    gone = camera.answer(later(scene.image(black), first, 0.5)).right
    assert not gone.present and np.isnan(gone.pixels).all()


def later(image, first, seconds):
    """`image` stamped so long after `first`."""
    whole, part = divmod(first.header.stamp.nanosec + round(1e9 * seconds), 10**9)
    image.header.stamp.sec, image.header.stamp.nanosec = first.header.stamp.sec + whole, part
    return image


def test_clock_jumps_start_afresh_and_are_survived(start_digit, camera, scene, ears):
    node = start_digit(hold_s=0.0)
    camera.send(scene.info())
    now = camera.answer(scene.image())
    for jump_s in (-1000, 2000, -3000):
        image = scene.image()
        image.header.stamp.sec += jump_s
        again = camera.answer(image)
        assert again.right.present
        np.testing.assert_allclose(again.right.pixels, now.right.pixels, atol=12)
    camera.complaint("behind ROS time; let the driver stamp images in ROS time")
    assert node.running and "Traceback" not in node.output


def test_simulated_time_without_a_clock_does_not_stop_the_node(start_node, weights, camera):
    start_node("digit_node", {"weights": weights, "use_sim_time": True})
    assert camera.answer(camera.picture()).header.frame_id == "eye"


def test_nobody_listens_no_work_is_done(start_digit, make_camera, ears):
    camera = make_camera(RELIABLE)
    ears.node.destroy_subscription(_subscription_to(ears, "/skeleton"))
    start_digit()
    camera.send(camera.info())
    for _ in range(15):
        camera.send(camera.picture())
        ears.spin_for(0.1)
    counts = camera.counts()
    assert counts["frames processed"] == "0" and int(counts["frames idle"]) > 0
    assert counts["published"] == "nothing"


def _subscription_to(ears, topic):
    return next(s for s in ears.node.subscriptions if s.topic_name == topic)


def test_an_image_of_another_frame_than_its_camera_info_is_noticed(start_digit, camera, ears):
    start_digit()
    info = camera.info()
    info.header.frame_id = "other_eye"
    camera.send(info)
    camera.answer(camera.picture())
    ears.spin_for(1.1)
    answer = camera.answer(camera.picture())
    assert answer.right.intrinsics == HandSkeleton.CAMERA_INFO
    camera.complaint("its frame is 'other_eye' but the image's is 'eye'")


@pytest.mark.parametrize("size", [(64, 48), (320, 200)])
def test_sizes_may_change_in_mid_stream(start_digit, camera, size):
    start_digit()
    camera.answer(camera.picture())
    width, height = size
    other = camera.picture(
        width=width, height=height, step=3 * width, data=bytes(3 * width * height)
    )
    assert camera.answer(other).header == other.header
    assert camera.answer(camera.picture()).header.frame_id == "eye"
