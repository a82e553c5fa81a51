# SPDX-License-Identifier: Apache-2.0
"""What a user may tune in estimator and tracker."""

from dataclasses import dataclass, field

from digit_core.measurement import MIN_JOINT_CONFIDENCE
from digit_core.one_euro import OneEuroSettings


@dataclass(frozen=True)
class Settings:
    """Tuning of one stream or of single images; may be replaced between frames.

    Attributes:
        detection_threshold: least probability for the detector's boxes; the network decides
            afterwards, so it may be low.
        presence_on: confidence from which a new hand counts as there.
        presence_off: confidence below which a followed hand counts as gone.
        min_joint_confidence: joints below are not valid.
        detect_every: frames between searches for the other hand while one is followed.
        max_gap_s: after so long without a frame nothing is followed any more, seconds.
        absolute_depth: tell joints_3d; without, hands are told relative to their wrist alone.
        learn_hand_size: learn the hands' size from depth images, for when there is none.
        mirrored: images are flipped (selfie view): sides are the person's own all the same, pixels
            are those of the image as it is, and 3D is that of the camera without the flip.
        smooth: filter over time.
        position_filter: of the joints' pixels; speeds in hand boxes a second.
        depth_filter: of depths; speeds in hand sizes a second.

    >>> Settings(presence_on=0.6).presence_off
    0.2
    >>> Settings(presence_on=0.1)
    Traceback (most recent call last):
    ValueError: presence_off: 0.2: expected at most presence_on (0.1)
    """

    detection_threshold: float = 0.15
    presence_on: float = 0.6
    presence_off: float = 0.2
    min_joint_confidence: float = MIN_JOINT_CONFIDENCE
    detect_every: int = 10
    max_gap_s: float = 0.5
    absolute_depth: bool = True
    learn_hand_size: bool = True
    mirrored: bool = False
    smooth: bool = True
    position_filter: OneEuroSettings = field(default_factory=OneEuroSettings)
    depth_filter: OneEuroSettings = field(
        default_factory=lambda: OneEuroSettings(min_cutoff_hz=1.0, beta=5.0)
    )

    def __post_init__(self) -> None:
        for name in ("detection_threshold", "presence_on", "presence_off"):
            value = getattr(self, name)
            if not 0 < value < 1:
                raise ValueError(f"{name}: {value}: expected a probability between 0 and 1")
        if self.presence_off > self.presence_on:
            raise ValueError(
                f"presence_off: {self.presence_off}: expected at most presence_on "
                f"({self.presence_on})"
            )
        if self.detect_every < 1:
            raise ValueError(f"detect_every: {self.detect_every}: expected at least 1")
