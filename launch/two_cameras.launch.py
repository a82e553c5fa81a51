# SPDX-License-Identifier: Apache-2.0
"""An example: two cameras on a robot, one digit_node, and where the cameras sit.

    ros2 launch digit_ros two_cameras.launch.py left:=/left_camera right:=/right_camera

Each argument is a namespace that holds image_raw and camera_info. Results are under
/digit/left and /digit/right; hands' frames are left/left_wrist, right/left_wrist ...
"""

from ament_index_python.packages import get_package_share_directory
from launch.actions import OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from digit_ros.launching import launch_description

CAMERAS = ("left", "right")
#: Where the optical frames sit on the robot: x, y, z in metres, yaw, pitch, roll in radians. The
#: optical frame looks along its z with y down: a camera that looks ahead (along the robot's x) has
#: yaw -pi/2 and roll -pi/2.
ARGUMENTS = {
    "left": ("/left_camera", "Namespace of the left camera: image_raw, camera_info."),
    "right": ("/right_camera", "Namespace of the right camera."),
    "base_frame": ("base_link", "The robot's frame that the cameras are fixed to; empty for none."),
    "left_pose": ("0.1 0.05 1.2 -1.5708 0 -1.5708", "x y z yaw pitch roll of the left camera."),
    "right_pose": ("0.1 -0.05 1.2 -1.5708 0 -1.5708", "The same of the right camera."),
    "left_frame": ("left_camera_optical_frame", "Frame in the left camera's headers."),
    "right_frame": ("right_camera_optical_frame", "Frame in the right camera's headers."),
    "weights": ("", "Weights file; empty takes the bundled one."),
    "fallback_hfov_deg": ("0.0", "Field of view in place of a missing CameraInfo, degrees."),
}


def nodes(context):
    """digit_node for both cameras, and a static transform for each."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    params_file = f"{get_package_share_directory('digit_ros')}/config/digit.yaml"
    digit = Node(
        package="digit_ros",
        executable="digit_node",
        name="digit",
        namespace="digit",
        parameters=[
            params_file,
            {
                "cameras": list(CAMERAS),
                "weights": given["weights"],
                "fallback_hfov_deg": float(given["fallback_hfov_deg"]),
            },
        ],
        remappings=[
            (f"{camera}/{ours}", f"{given[camera]}/{theirs}")
            for camera in CAMERAS
            for ours, theirs in (
                ("image", "image_raw"),
                ("image/compressed", "image_raw/compressed"),
                ("camera_info", "camera_info"),
            )
        ],
        output="screen",
    )
    if not given["base_frame"]:
        return [digit]
    return [digit, *(static_transform(given, camera) for camera in CAMERAS)]


def static_transform(given: dict[str, str], camera: str) -> Node:
    """Publishes where a camera sits, once and for all."""
    names = ("--x", "--y", "--z", "--yaw", "--pitch", "--roll")
    numbers = given[f"{camera}_pose"].split()
    if len(numbers) != len(names):
        raise ValueError(f"{camera}_pose: expected six numbers, x y z yaw pitch roll")
    pose = [word for pair in zip(names, numbers, strict=True) for word in pair]
    frames = ["--frame-id", given["base_frame"], "--child-frame-id", given[f"{camera}_frame"]]
    return Node(
        package="tf2_ros",
        executable="static_transform_publisher",
        name=f"{camera}_camera_pose",
        arguments=[*pose, *frames],
    )


def generate_launch_description():
    """Arguments, the profile for raw images, and the nodes."""
    return launch_description(ARGUMENTS, OpaqueFunction(function=nodes))
