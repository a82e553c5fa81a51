# SPDX-License-Identifier: Apache-2.0
"""Every parameter of player_node."""

from dataclasses import dataclass

from digit_ros.parameter_table import FLAG, TEXT, Rule, number, one_of, parameter, whole


@dataclass(frozen=True)
class PlayerParameters:
    """The parameters of player_node, in the order of the reference."""

    source: str | int | tuple[str, ...] = parameter(
        "",
        "A video, an image, a folder of images, a list of images, or a camera's index.",
        Rule(
            "a path, a list of paths, or a camera's index",
            lambda value: isinstance(value, (str, int, list)) and not isinstance(value, bool),
        ),
    )
    rate_hz: float = parameter(
        0.0,
        "Images a second; 0 takes the video's or the camera's own rate, and 10 for image files.",
        number(0.0, 1000.0),
    )
    loop: bool = parameter(False, "Start again at the end of the source.", FLAG)
    count: int = parameter(
        0, "Number of images after which the player ends; 0 plays to the end.", whole(0, 10**9)
    )
    frame_id: str = parameter(
        "camera_optical_frame", "Optical frame in the header of each message.", TEXT
    )
    encoding: str = parameter("rgb8", "Encoding of the images.", one_of("rgb8", "bgr8"))
    reliability: str = parameter(
        "reliable",
        "Reliability of the publisher: reliable matches every subscriber, best_effort is usual for"
        " cameras.",
        one_of("reliable", "best_effort"),
    )
    hfov_deg: float = parameter(
        0.0,
        "Horizontal field of view in degrees, for sources without an intrinsics file; 0 publishes"
        " no CameraInfo.",
        number(0.0, 170.0),
    )
    wait_for_subscriber_s: float = parameter(
        0.0,
        "Longest wait in seconds for the number of subscribers, so that no image is lost.",
        number(0.0, 86400.0),
    )
    subscribers: int = parameter(
        1, "Number of subscribers to image for which the player waits.", whole(1, 1000)
    )
