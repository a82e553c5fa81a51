# SPDX-License-Identifier: Apache-2.0
"""`ImageRequest`: one image with all that belongs to it, as the estimator is asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from digit_core.camera import Camera
from digit_core.depth_image import DepthImage

#: Gives the depth image of an image, or None when none has come.
DepthGiver = Callable[[], DepthImage | None]


@dataclass(frozen=True, eq=False)
class ImageRequest:
    """One image to find hands in.

    Attributes:
        image: (H, W, 3) uint8 RGB, any size, any memory layout.
        camera: its intrinsics; without them there is no joints_3d.
        stamp_s: its time in seconds; None for now.
        boxes: (4,) each x, y, width, height about single hands, pixels, in place of the detector;
            None lets the detector search.
        depth: the `DepthImage` registered to `image`, or what gives one. It is asked once, after
            the network has run, so that the depth image may still come meanwhile.
    """

    image: np.ndarray
    camera: Camera | None = None
    stamp_s: float | None = None
    boxes: Sequence[np.ndarray] | None = None
    depth: DepthImage | DepthGiver | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the image, pixels."""
        return self.image.shape[0], self.image.shape[1]

    def depth_image(self) -> DepthImage | None:
        """The depth image, asked for where it is still to be given."""
        return self.depth() if callable(self.depth) else self.depth

    def check(self) -> None:
        """Refuse an image that is not (H, W, 3) uint8, and a camera for images of another size.

        Raises:
            ValueError: one sentence that says what was expected.
        """
        expected = "expected a uint8 array (height, width, 3), RGB"
        image, camera = self.image, self.camera
        if not isinstance(image, np.ndarray):
            raise ValueError(f"image: {expected}, got {type(image).__name__}")
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"image: {expected}, got {image.dtype} {image.shape}")
        if image.size == 0:
            raise ValueError(f"image: it is empty, shape {image.shape}")
        height, width = self.shape
        if camera and (camera.width not in (None, width) or camera.height not in (None, height)):
            raise ValueError(
                f"camera: is for images of {camera.width}x{camera.height}, got {width}x{height}"
            )
