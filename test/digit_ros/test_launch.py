# SPDX-License-Identifier: Apache-2.0
"""The launch files, run for real where `launch_ros` is installed."""

import sys
from pathlib import Path

import numpy as np
import pytest
from ament_index_python.packages import get_package_share_directory
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from digit_ros.images import image_from_array
from digit_ros.msg import TwoHandSkeleton

pytest.importorskip("launch_ros", reason="launch_ros is not installed (no registry has it)")

PROGRAM = Path(__file__).parent / "programs" / "launch_file.py"


@pytest.fixture
def start_launch(start_process, weights):
    """start_launch("demo.launch.py", "name:=value", ...) -> Process."""
    folder = Path(get_package_share_directory("digit_ros")) / "launch"

    def start(name, *arguments):
        return start_process(
            sys.executable, PROGRAM, folder / name, f"weights:={weights}", *arguments
        )

    return start


@pytest.mark.parametrize("name", ["digit.launch.py", "demo.launch.py", "two_cameras.launch.py"])
def test_every_argument_is_described(name):
    from launch import LaunchContext
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    path = Path(get_package_share_directory("digit_ros")) / "launch" / name
    source = PythonLaunchDescriptionSource(str(path))
    arguments = source.get_launch_description(LaunchContext()).get_launch_arguments()
    assert "weights" in {argument.name for argument in arguments}
    assert all(argument.description.endswith(".") for argument in arguments)


def test_demo_launch_plays_the_clip_through_the_node(start_launch, ears):
    heard = ears.listen(TwoHandSkeleton, "skeleton")
    start_launch("demo.launch.py", "loop:=false")
    ears.spin_until(lambda: len(heard) > 5, 120.0, "skeletons")
    assert heard[0].header.frame_id == "camera_optical_frame"


def test_digit_launch_takes_topics_namespace_and_parameters(start_launch, ears, tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("/**:\n  ros__parameters:\n    fallback_hfov_deg: 50.0\n", encoding="utf-8")
    start_launch(
        "digit.launch.py", "image:=/cam/image_raw", "namespace:=head", f"params_file:={own}"
    )
    heard = ears.listen(TwoHandSkeleton, "/head/skeleton")
    camera = ears.publisher(Image, "/cam/image_raw", wait_for_subscriber_s=120.0)
    picture = np.zeros((120, 160, 3), np.uint8)

    def answered():
        camera.publish(image_from_array(picture, "rgb8", Header(frame_id="eye")))
        ears.spin_for(0.1)
        return heard

    ears.spin_until(answered, 30.0, "an answer under the namespace")
    assert heard[0].left.intrinsics == heard[0].left.ASSUMED


def described(name, **arguments):
    """The nodes that a launch file would start: (package, executable, command line)."""
    from launch import LaunchContext
    from launch.launch_description_sources import PythonLaunchDescriptionSource
    from launch_ros.actions import Node

    context = LaunchContext()
    context.launch_configurations.update(arguments)
    path = Path(get_package_share_directory("digit_ros")) / "launch" / name
    source = PythonLaunchDescriptionSource(str(path)).get_launch_description(context)
    nodes = [node for entity in source.entities for node in entity.visit(context) or [entity]]
    return [node for node in nodes if isinstance(node, Node)]


def remapped(node):
    """{from: to} of a node."""
    from launch import LaunchContext
    from launch.utilities import perform_substitutions

    context, pairs = LaunchContext(), node._Node__remappings
    return {
        perform_substitutions(context, one): perform_substitutions(context, other)
        for one, other in pairs
    }


def test_a_preset_takes_the_drivers_topics_and_starts_it_on_request():
    (node,) = described("digit.launch.py", camera="realsense2_camera")
    assert remapped(node)["depth"] == "/camera/camera/aligned_depth_to_color/image_raw"
    assert remapped(node)["image"] == "/camera/camera/color/image_raw"
    both = described("digit.launch.py", camera="usb_cam", start_driver="true", image="/other")
    assert [one.node_package for one in both] == ["digit_ros", "usb_cam"]
    assert remapped(both[0])["image"] == "/other"
    assert remapped(both[0])["camera_info"] == "/camera/camera_info"


def test_each_camera_gets_its_place_on_the_robot():
    digit, left, right = described("two_cameras.launch.py", left_pose="1 2 3 0.1 0.2 0.3")
    assert remapped(digit)["right/image"] == "/right_camera/image_raw"
    assert [one.node_executable for one in (left, right)] == ["static_transform_publisher"] * 2
    with pytest.raises(ValueError, match="left_pose: expected six numbers"):
        described("two_cameras.launch.py", left_pose="1 2 3")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"camera": "kinect"}, "camera is 'kinect'; expected one of usb_cam"),
        ({"start_driver": "true"}, "start_driver: camera must name one of"),
        ({"rviz": "yes"}, "rviz is 'yes'; expected true or false"),
    ],
)
def test_bad_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        described("digit.launch.py", **arguments)


def test_two_cameras_are_served_under_their_names(start_launch, ears):
    cameras = {
        name: ears.publisher(Image, f"/{name}_camera/image_raw", wait_for_subscriber_s=0)
        for name in ("left", "right")
    }
    heard = {name: ears.listen(TwoHandSkeleton, f"/digit/{name}/skeleton") for name in cameras}
    # The static transforms are a distribution's own (tf2_ros), which is not everywhere.
    start_launch("two_cameras.launch.py", "fallback_hfov_deg:=60.0", "base_frame:=")
    picture = np.zeros((120, 160, 3), np.uint8)

    def answered():
        for name, camera in cameras.items():
            camera.publish(image_from_array(picture, "rgb8", Header(frame_id=name)))
        ears.spin_for(0.1)
        return all(heard.values())

    ears.spin_until(answered, 120.0, "answers for both cameras")
    assert {name: one[0].header.frame_id for name, one in heard.items()} == {
        "left": "left",
        "right": "right",
    }
