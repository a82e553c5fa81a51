# SPDX-License-Identifier: Apache-2.0
"""`DigitEstimator`: images in, two hands out."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from digit_core.camera import Camera
from digit_core.decode import Reading, unpack
from digit_core.detection import detect
from digit_core.hand_size import HandScale
from digit_core.hands import TwoHands
from digit_core.image_state import ImageState
from digit_core.pair import MOST_LOOKS
from digit_core.request import ImageRequest
from digit_core.runtime import DetectorRuntime, PoseRuntime
from digit_core.settings import Settings
from digit_core.track_state import TrackState
from digit_core.tracker import Tracker
from digit_core.weights import Networks, PathLike, load_networks

#: tracker, image, camera or None, stamp in seconds or None; then boxes and depth where they are
#: wanted, all as `ImageRequest` has them.
Job = tuple[Any, ...]


class DigitEstimator:
    """Finds both hands of a person in images; holds the networks, no state of any stream.

    Attributes:
        networks: pose network and detector.
        settings: for single images, and the start for trackers.
        scale: the hands' size, likewise.
    """

    def __init__(
        self,
        networks: Networks,
        hand_size_m: float | None = None,
        settings: Settings | None = None,
        precision: str = "auto",
    ) -> None:
        """Use networks that are loaded; see `load`."""
        self.networks = networks
        self._pose = PoseRuntime(networks.pose, networks.device, precision)
        self._detector = DetectorRuntime(networks.detector, networks.device)
        self.settings = settings or Settings()
        self.scale = HandScale.of(hand_size_m, networks.hand_size_m)

    @property
    def engine(self) -> str:
        """What runs the networks: "openvino" or "torch"."""
        return self._pose.engine

    @classmethod
    def load(
        cls,
        weights: PathLike | None = None,
        device: str | torch.device | None = None,
        hand_size_m: float | None = None,
        settings: Settings | None = None,
        precision: str = "auto",
    ) -> "DigitEstimator":
        """Load the bundled weights, or a user's.

        Args:
            weights: a file, such as the published DIGIT checkpoint; the bundled detector serves
                beside it.
            device: "cpu", "cuda", ...; the best there is by default.
            hand_size_m: wrist to middle fingertip along the bones, metres; an adult's mean by
                default.
            settings: tuning.
            precision: of the pose network: "fp32", "fp16" (CUDA), "bf16", or "auto": for
                digit-lite fp16 on CUDA and bf16 on CPUs that have it, else fp32.

        Raises:
            ValueError: weights, device, size or precision cannot be used; the sentence says why.
        """
        return cls(load_networks(weights, device), hand_size_m, settings, precision)

    def __call__(
        self,
        image: np.ndarray,
        camera: Camera | None = None,
        boxes: Sequence[np.ndarray] | None = None,
    ) -> TwoHands:
        """Find the hands in one image, from nothing but the image.

        Args:
            image: (H, W, 3) uint8 RGB, any size, any memory layout.
            camera: its intrinsics; without them there is no joints_3d.
            boxes: (4,) each x, y, width, height about single hands, pixels, in place of the
                detector.

        Raises:
            ValueError: the image or the camera cannot be used; the sentence says why.
        """
        # There is no image before it to filter with.
        alone = TrackState(replace(self.settings, smooth=False), self.scale, MOST_LOOKS)
        return self.run([(alone, ImageRequest(image, camera, boxes=boxes))])[0]

    def tracker(
        self, settings: Settings | None = None, hand_size_m: float | None = None
    ) -> Tracker:
        """A follower for one stream of images, with settings and hand size of its own."""
        scale = self.scale
        if hand_size_m is not None:
            scale = HandScale.of(hand_size_m, self.networks.hand_size_m)
        return Tracker(self.run, TrackState(settings or self.settings, scale))

    def batch(self, jobs: Sequence[Job]) -> list[TwoHands]:
        """Take one image of each of several streams through the networks together.

        Args:
            jobs: (tracker, image, camera, stamp_s), boxes and depth as `Tracker` takes them after
                that where they are wanted; each tracker once.

        Returns:
            One result a job, in order.

        Raises:
            ValueError: an image or a camera cannot be used; no tracker has then moved on.
        """
        return self.run([(track.state, ImageRequest(*rest)) for track, *rest in jobs])

    @torch.inference_mode()
    def run(self, jobs: Sequence[tuple[TrackState, ImageRequest]]) -> list[TwoHands]:
        """Take one image of each of several streams through the networks together.

        Args:
            jobs: each stream's state, which is updated in place, and its image; each state once.

        Returns:
            One result a job, in order.

        Raises:
            ValueError: an image or a camera cannot be used, or a state stands in it twice; no
                state has then moved on.
        """
        if len({id(state) for state, _ in jobs}) != len(jobs):
            raise ValueError("jobs: a stream stands in them twice; expected one image of each")
        for _, request in jobs:
            request.check()
        return self._run([ImageState(state, request) for state, request in jobs])

    def warm_up(self) -> None:
        """Run both networks once, so that the first image does not pay for their set-up.

        On CUDA graphs are made for images of 640x480; others pay a few seconds with their first.
        """
        image = np.zeros((480, 640, 3), np.uint8)
        self(image)
        self(image, boxes=[np.array([0, 0, 64, 64])])

    def _run(self, frames: Sequence[ImageState]) -> list[TwoHands]:
        with _timed(frames, "total"):
            self._detect([f for f in frames if f.wants_detection])
            self._look(frames)
            self._look([f for f in frames if f.look_again()])
            with _timed(frames, "lift"):
                return [frame.finish() for frame in frames]

    def _detect(self, frames: Sequence[ImageState]) -> None:
        if not frames:
            return
        # All frames of a batch share the lowest threshold; each keeps its own after.
        lowest = min(f.settings.detection_threshold for f in frames)
        with _timed(frames, "detect"):
            found = detect(self._detector, [f.image for f in frames], lowest)
        for frame, detections in zip(frames, found, strict=True):
            least = frame.settings.detection_threshold
            frame.take_detections([d for d in detections if d.score >= least])

    def _look(self, frames: Sequence[ImageState]) -> None:
        frames = [f for f in frames if f.looks]
        if not frames:
            return
        readings = self._read(frames)
        for frame in frames:
            frame.take_readings([(look, next(readings)) for look in frame.looks])

    def _read(self, frames: Sequence[ImageState]) -> Iterator[Reading]:
        """All looks of all frames through the network in one batch, in order."""
        crops = [[look.crop for look in f.looks] for f in frames]
        if self._pose.cuts:
            with _timed(frames, "network"):
                numbers, parts = self._pose.from_frames([f.image for f in frames], crops)
        else:
            with _timed(frames, "crop"):
                pairs = zip(frames, crops, strict=True)
                patches = np.stack([c.cut(f.image) for f, some in pairs for c in some])
            with _timed(frames, "network"):
                numbers, parts = self._pose(patches)
        with _timed(frames, "decode"):
            every = [crop for some in crops for crop in some]
            return iter(unpack(numbers, parts, every, self.networks.calibration))


@contextmanager
def _timed(frames: Sequence[ImageState], stage: str) -> Iterator[None]:
    """Add the time that a stage takes, for all frames together, to each one's timings."""
    start = time.perf_counter()
    yield
    passed = (time.perf_counter() - start) * 1e3
    for frame in frames:
        frame.timings_ms[stage] = frame.timings_ms.get(stage, 0.0) + passed
