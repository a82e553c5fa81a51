# SPDX-License-Identifier: Apache-2.0
"""The bundled clip, or your own file or camera, through digit_node: no camera driver needed."""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from digit_ros.launching import launch_description

SHARE = Path(get_package_share_directory("digit_ros"))
ARGUMENTS = {
    "source": (
        str(SHARE / "clips" / "two_hands.mp4"),
        "A video, a picture, a folder of pictures, or a camera's index.",
    ),
    "loop": ("true", "Start again at the end: true or false."),
    "weights": ("", "Weights file; empty takes the bundled one."),
    "device": ("", "auto, cpu, cuda or cuda:N."),
    "rviz": ("false", "Start RViz with skeleton, overlay and TF: true or false."),
}
#: Assumed where a source has no file of intrinsics beside it, degrees.
HFOV_DEG = 60.0


def generate_launch_description():
    """The player, and digit.launch.py on its topics."""
    player = Node(
        package="digit_ros",
        executable="player_node",
        name="player",
        parameters=[
            {
                "source": LaunchConfiguration("source"),
                "loop": ParameterValue(LaunchConfiguration("loop"), value_type=bool),
                "wait_for_subscriber_s": 120.0,
            }
        ],
        output="screen",
    )
    digit = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(SHARE / "launch" / "digit.launch.py")),
        launch_arguments={
            **{name: LaunchConfiguration(name) for name in ("weights", "device", "rviz")},
            "fallback_hfov_deg": str(HFOV_DEG),
        }.items(),
    )
    return launch_description(ARGUMENTS, player, digit)
