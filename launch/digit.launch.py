# SPDX-License-Identifier: Apache-2.0
"""digit_node on a camera's topics: ros2 launch digit_ros digit.launch.py image:=/camera/image_raw.

A camera driver that publishes raw images needs the Fast DDS profile too; give its process
FASTDDS_DEFAULT_PROFILES_FILE=<share of digit_ros>/config/fastdds.xml.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import Node

from digit_ros import fastdds

CONFIG = Path(get_package_share_directory("digit_ros")) / "config"
ARGUMENTS = {
    "image": ("image", "Topic of the camera's images; compressed ones are at its /compressed."),
    "camera_info": ("camera_info", "Topic of the camera's CameraInfo."),
    "namespace": ("", "Namespace of the node and its results."),
    "params_file": (str(CONFIG / "digit.yaml"), "File with the node's parameters."),
    "weights": ("", "Weights file; empty takes the one of params_file."),
    "device": ("", "auto, cpu, cuda or cuda:N; empty takes the one of params_file."),
    "fallback_hfov_deg": (
        "",
        "Field of view in place of a missing CameraInfo, degrees; empty takes params_file's.",
    ),
    "rviz": ("false", "Start RViz with skeleton, overlay and TF: true or false."),
    "frame": ("camera_optical_frame", "Fixed frame of RViz: the frame of the image's header."),
}
#: Arguments that go over the parameters file where they are given, and their types.
OVERRIDES = {"weights": str, "device": str, "fallback_hfov_deg": float}


def digit_node(context):
    """The node; a parameter that the command line gives goes over the file's."""
    given = {name: LaunchConfiguration(name).perform(context) for name in OVERRIDES}
    overrides = {name: OVERRIDES[name](text) for name, text in given.items() if text}
    image, camera_info = LaunchConfiguration("image"), LaunchConfiguration("camera_info")
    node = Node(
        package="digit_ros",
        executable="digit_node",
        name="digit",
        namespace=LaunchConfiguration("namespace"),
        parameters=[LaunchConfiguration("params_file"), overrides],
        remappings=[
            ("image", image),
            ("image/compressed", [image, "/compressed"]),
            ("camera_info", camera_info),
        ],
        output="screen",
    )
    return [node]


def generate_launch_description():
    """Arguments, the profile for raw images, the node, and RViz when asked for."""
    profile = EnvironmentVariable(fastdds.VARIABLE, default_value=fastdds.profile_path())
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        namespace=LaunchConfiguration("namespace"),
        arguments=["-d", str(CONFIG / "digit.rviz"), "-f", LaunchConfiguration("frame")],
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (default, description) in ARGUMENTS.items()
            ),
            SetEnvironmentVariable(fastdds.VARIABLE, profile),
            OpaqueFunction(function=digit_node),
            rviz,
        ]
    )
