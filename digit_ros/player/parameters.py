# SPDX-License-Identifier: Apache-2.0
"""Every parameter of player_node."""

from dataclasses import dataclass

from digit_ros.parameter_table import FLAG, TEXT, Rule, number, one_of, parameter, whole


@dataclass(frozen=True)
class PlayerParameters:
    """What player_node was told; see each row's description."""

    source: str | int | tuple[str, ...] = parameter(
        "",
        "A video, a picture, a folder of pictures, a list of pictures, or a camera's index.",
        Rule(
            "a path, a list of paths, or a camera's index",
            lambda value: isinstance(value, (str, int, list)) and not isinstance(value, bool),
        ),
    )
    rate_hz: float = parameter(
        0.0,
        "Pictures a second; 0 takes the video's own rate, 10 for pictures, a camera's own pace.",
        number(0.0, 1000.0),
    )
    loop: bool = parameter(False, "Start again at the end.", FLAG)
    count: int = parameter(0, "End after this many pictures; 0 plays to the end.", whole(0, 10**9))
    frame_id: str = parameter(
        "camera_optical_frame", "The optical frame named in each header.", TEXT
    )
    encoding: str = parameter("rgb8", "The images' encoding.", one_of("rgb8", "bgr8"))
    reliability: str = parameter(
        "reliable",
        "reliable sends again what is lost and suits every subscriber; best_effort is as a camera.",
        one_of("reliable", "best_effort"),
    )
    hfov_deg: float = parameter(
        0.0,
        "Horizontal field of view, degrees, for sources without a file of intrinsics; 0 for none.",
        number(0.0, 170.0),
    )
    wait_for_subscriber_s: float = parameter(
        0.0,
        "Wait up to this many seconds until `subscribers` listen to image: no picture is lost.",
        number(0.0, 86400.0),
    )
    subscribers: int = parameter(
        1, "How many must listen before the first picture is sent.", whole(1, 1000)
    )
