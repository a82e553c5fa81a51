# SPDX-License-Identifier: Apache-2.0
"""digit_node on a camera's topics.

    ros2 launch digit_ros digit.launch.py image:=/camera/image_raw camera_info:=/camera/camera_info
    ros2 launch digit_ros digit.launch.py camera:=realsense2_camera start_driver:=true rviz:=true

A camera driver that publishes raw images needs the Fast DDS profile too: one that is started here
gets it; give another process FASTDDS_DEFAULT_PROFILES_FILE=<share of digit_ros>/config/fastdds.xml.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from digit_ros.camera_drivers import DRIVERS, FRAME, Driver
from digit_ros.launching import launch_description

CONFIG = Path(get_package_share_directory("digit_ros")) / "config"
ARGUMENTS = {
    "camera": (
        "",
        f"Driver whose topics are meant, one of {', '.join(DRIVERS)}; empty takes image,"
        " camera_info and depth as they are given.",
    ),
    "start_driver": ("false", "Start the driver that camera names: true or false."),
    "video_device": ("/dev/video0", "Device of a driver that is started and takes one."),
    "image": ("", "Topic of the camera's images; compressed ones are at its /compressed."),
    "camera_info": ("", "Topic of the camera's CameraInfo."),
    "depth": ("", "Topic of depth images registered to the image, for depth_source depth_image."),
    "namespace": ("", "Namespace of the node and its results."),
    "params_file": (str(CONFIG / "digit.yaml"), "File with the node's parameters."),
    "weights": ("", "Weights file; empty takes the one of params_file."),
    "device": ("", "auto, cpu, cuda or cuda:N; empty takes the one of params_file."),
    "depth_source": (
        "",
        "hand_size, depth_image or none; empty takes depth_image with a camera that has one, else"
        " the one of params_file.",
    ),
    "fallback_hfov_deg": (
        "",
        "Field of view in place of a missing CameraInfo, degrees; empty takes params_file's.",
    ),
    "rviz": ("false", "Start RViz with skeleton, overlay and TF: true or false."),
    "frame": ("", f"Fixed frame of RViz; empty takes the driver's, else {FRAME}."),
}
#: Arguments that go over the parameters file where they are given, and their types.
OVERRIDES = {"weights": str, "device": str, "depth_source": str, "fallback_hfov_deg": float}


def nodes(context):
    """The node, the driver and RViz, as the arguments ask for them."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    driver = known_driver(given["camera"])
    started = [digit_node(given, driver)]
    if is_true(given, "start_driver"):
        if driver is None:
            raise ValueError(f"start_driver: camera must name one of {', '.join(DRIVERS)}")
        started.append(driver_node(given, driver))
    if is_true(given, "rviz"):
        started.append(rviz_node(given, driver))
    return started


def known_driver(name: str) -> Driver | None:
    """The driver of that name; None for no name."""
    if name and name not in DRIVERS:
        raise ValueError(f"camera is '{name}'; expected one of {', '.join(DRIVERS)}, or nothing")
    return DRIVERS.get(name)


def is_true(given: dict[str, str], name: str) -> bool:
    """Whether an argument is true; anything but true and false is refused."""
    if given[name] not in ("true", "false"):
        raise ValueError(f"{name} is '{given[name]}'; expected true or false")
    return given[name] == "true"


def digit_node(given: dict[str, str], driver: Driver | None) -> Node:
    """The node; a parameter that the command line gives goes over the file's."""
    topics = {
        name: given[name] or (driver.topic(name) if driver else "") or name
        for name in ("image", "camera_info", "depth")
    }
    overrides = {name: kind(given[name]) for name, kind in OVERRIDES.items() if given[name]}
    if driver and driver.depth:
        overrides.setdefault("depth_source", "depth_image")
    return Node(
        package="digit_ros",
        executable="digit_node",
        name="digit",
        namespace=given["namespace"],
        parameters=[given["params_file"], overrides],
        remappings=[*topics.items(), ("image/compressed", f"{topics['image']}/compressed")],
        output="screen",
    )


def driver_node(given: dict[str, str], driver: Driver) -> Node:
    """The camera's own node."""
    device = {driver.device: given["video_device"]} if driver.device else {}
    return Node(
        package=driver.package,
        executable=driver.executable,
        namespace=driver.namespace,
        parameters=[{**driver.parameters, **device}],
        output="screen",
    )


def rviz_node(given: dict[str, str], driver: Driver | None) -> Node:
    """RViz, looking from the camera's frame."""
    frame = given["frame"] or (driver.frame if driver else FRAME)
    return Node(
        package="rviz2",
        executable="rviz2",
        namespace=given["namespace"],
        arguments=["-d", str(CONFIG / "digit.rviz"), "-f", frame],
    )


def generate_launch_description():
    """Arguments, the profile for raw images, and the nodes."""
    return launch_description(ARGUMENTS, OpaqueFunction(function=nodes))
