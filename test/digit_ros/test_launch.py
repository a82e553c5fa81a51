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


@pytest.mark.parametrize("name", ["digit.launch.py", "demo.launch.py"])
def test_every_argument_is_described(name):
    from launch import LaunchContext
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    path = Path(get_package_share_directory("digit_ros")) / "launch" / name
    source = PythonLaunchDescriptionSource(str(path))
    arguments = source.get_launch_description(LaunchContext()).get_launch_arguments()
    assert {"weights", "device", "rviz"} <= {argument.name for argument in arguments}
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
