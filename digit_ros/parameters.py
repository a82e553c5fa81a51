# SPDX-License-Identifier: Apache-2.0
"""Every parameter of digit_node: what it means, what it may be, and whether it changes live."""

import re
from dataclasses import dataclass

from digit_core.hand_size import HandScale
from digit_core.one_euro import OneEuroSettings
from digit_core.settings import Settings
from digit_ros.parameter_table import (
    FLAG,
    TEXT,
    BadParameter,
    Rule,
    number,
    one_of,
    parameter,
    texts,
    whole,
)

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
#: tf2 wants frames without a leading slash; RViz and URDFs take letters, digits, _ and /.
_PREFIX = Rule(
    "letters, digits, _ and /, not / first",
    lambda v: isinstance(v, str) and re.fullmatch(r"([A-Za-z0-9_][A-Za-z0-9_/]*)?", v) is not None,
    TEXT.kind,
)
_FRAME = Rule(
    "letters, digits and _",
    lambda v: isinstance(v, str) and re.fullmatch(r"[A-Za-z0-9_]+", v) is not None,
    TEXT.kind,
)
_CAMERAS = texts(
    "different names of letters, digits and _, a letter first; or one empty text",
    lambda one: one == "" or _NAME.fullmatch(one) is not None,
)


@dataclass(frozen=True)
class Parameters:
    """What digit_node was told; see each row's description."""

    autostart: bool = parameter(
        True, "Configure and activate at start; false waits for lifecycle transitions.", FLAG
    )
    cameras: tuple[str, ...] = parameter(
        ("",),
        "Cameras to serve, by name: topics and frames of 'left' are left/image, left/skeleton,"
        " left/left_wrist ...; the one empty name serves image, skeleton, left_wrist.",
        _CAMERAS,
    )
    weights: str = parameter(
        "", "Weights file (.safetensors, .pt, .ckpt); empty uses the bundled digit-lite.", TEXT
    )
    device: str = parameter(
        "auto", "Where the network runs: auto (the best there is), cpu, cuda or cuda:N.", TEXT
    )
    precision: str = parameter(
        "auto",
        "Of the pose network: auto is, for digit-lite, fp16 on CUDA and bf16 on CPUs that have it, "
        "else fp32.",
        one_of("auto", "fp32", "bf16", "fp16"),
    )
    image_transport: str = parameter(
        "raw",
        "raw subscribes to image, compressed to image/compressed.",
        one_of("raw", "compressed"),
    )
    qos_profile: str = parameter(
        "auto",
        "Image reliability: auto matches the publisher, sensor_data is best effort.",
        one_of("auto", "sensor_data", "reliable"),
    )
    detector: str = parameter(
        "network",
        "What finds hands: network, or boxes, which takes them from the topic boxes.",
        one_of("network", "boxes"),
    )
    rectified: str = parameter(
        "auto",
        "true reads P of CameraInfo, false K and D; auto is true if the image topic says 'rect'.",
        one_of("auto", "true", "false"),
    )
    fallback_hfov_deg: float = parameter(
        0.0,
        "Horizontal field of view in degrees in place of a missing CameraInfo; 0 turns it off.",
        number(1.0, 170.0, or_zero=True),
        live=True,
    )
    depth_source: str = parameter(
        "hand_size",
        "What tells how far hands are: hand_size; depth_image, which takes the topic depth and"
        " falls back to hand_size; or none, which leaves positions NaN.",
        one_of("hand_size", "depth_image", "none"),
    )
    depth_tolerance_s: float = parameter(
        0.02,
        "Most seconds between the stamps of an image and of its depth image.",
        number(0.0, 1.0),
        live=True,
    )
    hand_size_m: float = parameter(
        0.0,
        "Wrist along the bones to the middle finger's tip, metres; 0 takes an adult's mean.",
        number(0.08, 0.3, or_zero=True),
        live=True,
    )
    learn_hand_size: bool = parameter(
        True, "With depth images, learn the hands' size, for when they fail.", FLAG, live=True
    )
    mirrored: bool = parameter(
        False, "Images are flipped, as a selfie view: sides stay the person's own.", FLAG, live=True
    )
    detection_threshold: float = parameter(
        0.15,
        "Least probability of a place for the network to look there; lower finds and costs more.",
        number(0.01, 0.99),
        live=True,
    )
    detect_every: int = parameter(
        10, "Frames between searches for the other hand.", whole(1, 1000), live=True
    )
    presence_on: float = parameter(
        0.6, "Confidence from which a new hand counts as there.", number(0.01, 0.99), live=True
    )
    presence_off: float = parameter(
        0.3, "Confidence below which a followed hand is gone.", number(0.01, 0.99), live=True
    )
    smooth: bool = parameter(
        True, "Filter skeleton over time; skeleton_raw is not.", FLAG, live=True
    )
    filter_min_cutoff_hz: float = parameter(
        1.5,
        "One-euro filter of pixels, cutoff at rest: lower is steadier.",
        number(0.01, 100.0),
        live=True,
    )
    filter_beta: float = parameter(
        15.0,
        "One-euro filter of pixels, Hz per hand box a second: higher lags less.",
        number(0.0, 1000.0),
        live=True,
    )
    depth_filter_min_cutoff_hz: float = parameter(
        1.0, "The same of depths.", number(0.01, 100.0), live=True
    )
    depth_filter_beta: float = parameter(
        5.0,
        "The same of depths, Hz per hand size a second.",
        number(0.0, 1000.0),
        live=True,
    )
    hold_s: float = parameter(
        0.1,
        "A hand that is lost stays where it was for so long, its confidence falling to 0;"
        " skeleton_raw does without.",
        number(0.0, 10.0),
        live=True,
    )
    timeout_s: float = parameter(
        0.5,
        "After so long without an image both hands are published as absent, once.",
        number(0.05, 60.0),
        live=True,
    )
    publish_tf: bool = parameter(True, "Publish the wrists' frames on /tf.", FLAG, live=True)
    publish_finger_tf: bool = parameter(
        False, "Publish the fingers' frames too, each from its parent.", FLAG, live=True
    )
    tf_prefix: str = parameter(
        "", "Put before every frame name, for example 'head_' or 'robot/'.", _PREFIX
    )
    left_name: str = parameter(
        "left", "Begins the left hand's frames: left_wrist, left_index_1 ...", _FRAME
    )
    right_name: str = parameter("right", "Begins the right hand's frames.", _FRAME)

    def __post_init__(self) -> None:
        """Refuse values that do not go together.

        Raises:
            BadParameter: two values contradict each other.
        """
        if self.presence_off > self.presence_on:
            raise BadParameter(
                f"parameter presence_off is {self.presence_off}; expected at most presence_on,"
                f" which is {self.presence_on}"
            )
        if self.left_name == self.right_name:
            raise BadParameter(
                f"parameter left_name is {self.left_name!r}; expected another name than right_name"
            )
        if "" in self.cameras and len(self.cameras) > 1:
            raise BadParameter(
                f"parameter cameras is {list(self.cameras)}; expected a name for every camera"
            )

    def settings(self) -> Settings:
        """What the tracker is told."""
        return Settings(
            detection_threshold=self.detection_threshold,
            presence_on=self.presence_on,
            presence_off=self.presence_off,
            detect_every=self.detect_every,
            max_gap_s=self.timeout_s,
            absolute_depth=self.depth_source != "none",
            learn_hand_size=self.learn_hand_size,
            mirrored=self.mirrored,
            smooth=self.smooth,
            position_filter=OneEuroSettings(self.filter_min_cutoff_hz, self.filter_beta),
            depth_filter=OneEuroSettings(self.depth_filter_min_cutoff_hz, self.depth_filter_beta),
        )

    def hand_scale(self, reference_m: float) -> HandScale:
        """The hands' size as far as the user tells it, for a network of this reference size."""
        return HandScale.of(self.hand_size_m or None, reference_m)
