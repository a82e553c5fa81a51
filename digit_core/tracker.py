# SPDX-License-Identifier: Apache-2.0
"""`Tracker`: one stream's state and the estimator that updates it, as one callable."""

from collections.abc import Callable, Sequence

import numpy as np

from digit_core.camera import Camera
from digit_core.depth_image import DepthImage
from digit_core.hand_size import HandScale
from digit_core.hands import TwoHands
from digit_core.request import DepthGiver, ImageRequest
from digit_core.settings import Settings
from digit_core.track_state import TrackState

#: Takes images of streams through the networks together; `DigitEstimator.run`.
Run = Callable[[Sequence[tuple[TrackState, ImageRequest]]], list[TwoHands]]


class Tracker:
    """One stream: keeps boxes, sides, filter and hand scale between images.

    Made by `DigitEstimator.tracker`. Not for two streams, and not for two threads at once.

    Attributes:
        state: what is kept.
    """

    def __init__(self, run: Run, state: TrackState) -> None:
        self._run, self.state = run, state

    def __call__(
        self,
        image: np.ndarray,
        camera: Camera | None = None,
        stamp_s: float | None = None,
        boxes: Sequence[np.ndarray] | None = None,
        depth: DepthImage | DepthGiver | None = None,
    ) -> TwoHands:
        """Follow the hands into the next image.

        Args:
            image, camera, boxes, depth: as in `ImageRequest`.
            stamp_s: its time in seconds; None for now. A step back starts everything afresh.

        Raises:
            ValueError: the image or the camera cannot be used; the sentence says why.
        """
        request = ImageRequest(image, camera, stamp_s, boxes, depth)
        return self._run([(self.state, request)])[0]

    def reset(self) -> None:
        """Forget everything seen, as at the start of another recording, but the hands' size."""
        self.state.reset()

    @property
    def settings(self) -> Settings:
        """Tuning; may be replaced at any time."""
        return self.state.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self.state.settings = settings

    @property
    def scale(self) -> HandScale:
        """The hands' size as it was given; may be replaced at any time."""
        return self.state.scale

    @scale.setter
    def scale(self, scale: HandScale) -> None:
        self.state.scale = scale

    @property
    def known_scale(self) -> HandScale:
        """The hands' size as far as it is known: learned from depth images, or as given."""
        return self.state.known_scale
