# SPDX-License-Identifier: Apache-2.0
"""Every parameter of digit_node: its meaning, its range, and whether it can change at run time."""

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
    "letters, digits, _ and /; the first is not /",
    lambda v: isinstance(v, str) and re.fullmatch(r"([A-Za-z0-9_][A-Za-z0-9_/]*)?", v) is not None,
    TEXT.kind,
)
_FRAME = Rule(
    "letters, digits and _",
    lambda v: isinstance(v, str) and re.fullmatch(r"[A-Za-z0-9_]+", v) is not None,
    TEXT.kind,
)
_CAMERAS = texts(
    "different names of letters, digits and _ that begin with a letter; or one empty name",
    lambda one: one == "" or _NAME.fullmatch(one) is not None,
)


@dataclass(frozen=True)
class Parameters:
    """The parameters of digit_node, in the order of the reference."""

    autostart: bool = parameter(
        True,
        "Configure and activate at start; false waits for lifecycle transitions.",
        FLAG,
        section="Start",
    )
    cameras: tuple[str, ...] = parameter(
        ("",),
        "Names of the cameras, which prefix their topics and frames (left/image, left/left_wrist);"
        " one empty name means one camera without a prefix.",
        _CAMERAS,
    )
    weights: str = parameter(
        "",
        "Weights file (.safetensors, .pt, .ckpt); empty loads the bundled digit-lite.",
        TEXT,
        section="Network",
    )
    device: str = parameter(
        "auto", "Device of the network: auto (the best available), cpu, cuda or cuda:N.", TEXT
    )
    precision: str = parameter(
        "auto",
        "Precision of the pose network; auto means, for digit-lite, fp16 on CUDA and bf16 on CPUs"
        " that support it, and fp32 otherwise.",
        one_of("auto", "fp32", "bf16", "fp16"),
    )
    image_transport: str = parameter(
        "raw",
        "raw subscribes to image, compressed to image/compressed.",
        one_of("raw", "compressed"),
        section="Images",
    )
    qos_profile: str = parameter(
        "auto",
        "Reliability of the image subscription: auto matches the publisher, sensor_data is best"
        " effort, reliable is reliable.",
        one_of("auto", "sensor_data", "reliable"),
    )
    rectified: str = parameter(
        "auto",
        "true uses P of CameraInfo and no distortion, false uses K and D; auto means true when the"
        " image topic's name contains 'rect'.",
        one_of("auto", "true", "false"),
        section="Camera calibration",
    )
    fallback_hfov_deg: float = parameter(
        0.0,
        "Horizontal field of view in degrees, used while no CameraInfo arrives; 0 turns it off.",
        number(1.0, 170.0, or_zero=True),
        live=True,
    )
    depth_source: str = parameter(
        "hand_size",
        "Source of the wrist's depth: hand_size, depth_image (topic depth; hand_size where it"
        " fails), or none, which leaves positions NaN.",
        one_of("hand_size", "depth_image", "none"),
        section="Depth",
    )
    depth_tolerance_s: float = parameter(
        0.02,
        "Largest difference between the stamps of an image and its depth image, in seconds.",
        number(0.0, 1.0),
        live=True,
    )
    hand_size_m: float = parameter(
        0.0,
        "Hand length in metres, from the wrist along the bones to the middle fingertip;"
        " 0 takes an adult's mean.",
        number(0.08, 0.3, or_zero=True),
        live=True,
    )
    learn_hand_size: bool = parameter(
        True,
        "Learn the hand size from depth images and use it where they fail.",
        FLAG,
        live=True,
    )
    detector: str = parameter(
        "network",
        "Source of hand boxes: the detector network, or the topic boxes.",
        one_of("network", "boxes"),
        section="Detection and tracking",
    )
    mirrored: bool = parameter(
        False,
        "Images are mirrored, as in a selfie view; sides remain the person's own.",
        FLAG,
        live=True,
    )
    detection_threshold: float = parameter(
        0.15,
        "Lowest detector score at which the pose network runs; a lower value finds more hands and"
        " costs more time.",
        number(0.01, 0.99),
        live=True,
    )
    detect_every: int = parameter(
        10,
        "Number of frames between two searches for the other hand while one is tracked.",
        whole(1, 1000),
        live=True,
    )
    presence_on: float = parameter(
        0.6,
        "Confidence at which a new hand counts as present.",
        number(0.01, 0.99),
        live=True,
    )
    presence_off: float = parameter(
        0.2,
        "Confidence below which a tracked hand counts as lost; at most presence_on.",
        number(0.01, 0.99),
        live=True,
    )
    smooth: bool = parameter(
        True,
        "Filter skeleton over time; skeleton_raw is never filtered.",
        FLAG,
        live=True,
        section="Filter and time limits",
    )
    filter_min_cutoff_hz: float = parameter(
        1.5,
        "Cutoff at rest of the one-euro filter for pixels, in Hz; a lower value is steadier.",
        number(0.01, 100.0),
        live=True,
    )
    filter_beta: float = parameter(
        15.0,
        "Growth of that cutoff with speed, in Hz per hand box a second; a higher value lags less.",
        number(0.0, 1000.0),
        live=True,
    )
    depth_filter_min_cutoff_hz: float = parameter(
        1.0,
        "Cutoff at rest of the one-euro filter for depths, in Hz; a lower value is steadier.",
        number(0.01, 100.0),
        live=True,
    )
    depth_filter_beta: float = parameter(
        5.0,
        "Growth of that cutoff with speed, in Hz per hand size a second; a higher value lags less.",
        number(0.0, 1000.0),
        live=True,
    )
    hold_s: float = parameter(
        0.1,
        "Seconds for which a lost hand keeps its pose while its confidence falls to 0;"
        " skeleton_raw does not hold.",
        number(0.0, 10.0),
        live=True,
    )
    timeout_s: float = parameter(
        0.5,
        "Seconds without an image after which one skeleton without hands is published and tracking"
        " restarts.",
        number(0.05, 60.0),
        live=True,
    )
    publish_tf: bool = parameter(
        True,
        "Publish the wrists' frames on /tf.",
        FLAG,
        live=True,
        section="Frames",
    )
    publish_finger_tf: bool = parameter(
        False,
        "Publish the finger joints' frames too, each relative to its parent joint.",
        FLAG,
        live=True,
    )
    tf_prefix: str = parameter(
        "", "Prefix of every frame name, for example 'head_' or 'robot/'.", _PREFIX
    )
    left_name: str = parameter(
        "left", "First part of the left hand's frame names: left_wrist, left_index_1 ...", _FRAME
    )
    right_name: str = parameter(
        "right",
        "First part of the right hand's frame names: right_wrist, right_index_1 ...",
        _FRAME,
    )

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
        """The settings of the tracker."""
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
        """The hand size, given or assumed, for a network trained for `reference_m`."""
        return HandScale.of(self.hand_size_m or None, reference_m)
