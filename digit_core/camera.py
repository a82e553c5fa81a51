# SPDX-License-Identifier: Apache-2.0
"""The pinhole camera with lens distortion: pixels to rays and back."""

import math
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

#: Numbers of coefficients that each model of sensor_msgs/CameraInfo may have.
MODELS = {
    "none": (0,),
    "plumb_bob": (0, 4, 5),
    "rational_polynomial": (0, 8, 12, 14),
    "equidistant": (0, 4),
}
_ITERATE = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 60, 1e-12)
_ROUND_TRIP_PX = 0.5


@dataclass(frozen=True)
class Camera:
    """Intrinsics of one image, after binning, cropping and scaling.

    Attributes:
        fx, fy: focal lengths, pixels.
        cx, cy: principal point, pixels; (0, 0) is the centre of the first pixel.
        width, height: size of the image, pixels; None when unknown.
        distortion: coefficients in OpenCV's order for the model.
        model: "plumb_bob", "rational_polynomial", "equidistant" (OpenCV's fisheye) or "none".

    Raises:
        ValueError: a focal length is not positive, a number is not finite, the model is unknown
            or its number of coefficients is wrong.

    >>> camera = Camera(fx=500, fy=500, cx=319.5, cy=239.5, width=640, height=480)
    >>> camera.project([0.1, 0.0, 0.5])  # 10 cm to the right, 50 cm away
    array([419.5, 239.5])
    >>> camera.unproject([419.5, 239.5]) * 0.5
    array([0.1, 0. , 0.5])
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int | None = None
    height: int | None = None
    distortion: tuple[float, ...] = ()
    model: str = "plumb_bob"

    def __post_init__(self) -> None:
        object.__setattr__(self, "distortion", tuple(float(d) for d in self.distortion))
        numbers = (self.fx, self.fy, self.cx, self.cy, *self.distortion)
        if not all(math.isfinite(n) for n in numbers):
            raise ValueError(f"camera: intrinsics must be finite numbers, got {numbers}")
        if self.fx <= 0 or self.fy <= 0:
            raise ValueError(
                f"camera: focal lengths must be positive, got fx={self.fx} fy={self.fy}"
            )
        if self.model not in MODELS:
            raise ValueError(f"camera: model {self.model!r}: expected one of {', '.join(MODELS)}")
        if len(self.distortion) not in MODELS[self.model]:
            raise ValueError(
                f"camera: {self.model} takes {MODELS[self.model]} coefficients, "
                f"got {len(self.distortion)}"
            )

    @classmethod
    def from_hfov(cls, degrees: float, width: int, height: int) -> "Camera":
        """Undistorted camera with square pixels, from its horizontal field of view in degrees.

        >>> camera = Camera.from_hfov(90, 640, 480)
        >>> round(camera.fx, 3), camera.cx, camera.cy
        (320.0, 319.5, 239.5)
        """
        if not 0 < degrees < 180:
            raise ValueError(f"camera: field of view must lie in 0 to 180 degrees, got {degrees}")
        f = width / 2 / math.tan(math.radians(degrees) / 2)
        return cls(f, f, (width - 1) / 2, (height - 1) / 2, width, height, model="none")

    @classmethod
    def from_camera_info(cls, info: Any, rectified: bool) -> "Camera":
        """Read a sensor_msgs/CameraInfo, or anything with its fields, for the image it came with.

        Region of interest and binning are applied as image_geometry does: the offset is taken
        off, then everything is divided by the binning.

        Args:
            info: has width, height, distortion_model, d, k, p, binning_x, binning_y, roi.
            rectified: the image is rectified: P counts, and no distortion.

        Raises:
            ValueError: the camera is not calibrated (K or P is zero) or its model is unknown.
        """
        name, matrix = ("P", info.p) if rectified else ("K", info.k)
        stride = 4 if rectified else 3
        fx, fy = float(matrix[0]), float(matrix[stride + 1])
        cx, cy = float(matrix[2]), float(matrix[stride + 2])
        if fx == 0 or fy == 0:
            raise ValueError(
                f"camera_info: {name} is zero, so the camera is not calibrated; "
                "calibrate it, or set a fallback field of view"
            )
        distortion, model = ((), "none") if rectified else _lens(info)
        return cls(fx, fy, cx, cy, distortion=distortion, model=model)._of_roi(info)

    def _of_roi(self, info: Any) -> "Camera":
        bx, by = max(int(info.binning_x), 1), max(int(info.binning_y), 1)
        roi = info.roi
        return replace(
            self,
            fx=self.fx / bx,
            fy=self.fy / by,
            cx=(self.cx - roi.x_offset) / bx,
            cy=(self.cy - roi.y_offset) / by,
            # Drivers that do not fill them in send zeros: a size that is not known.
            width=int(roi.width or info.width) // bx or None,
            height=int(roi.height or info.height) // by or None,
        )

    @property
    def is_distorted(self) -> bool:
        """Whether any distortion coefficient differs from zero."""
        return self.model != "none" and any(self.distortion)

    @property
    def matrix(self) -> np.ndarray:
        """(3, 3) float64 camera matrix K."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]])

    def cropped(self, x: float, y: float, width: int, height: int) -> "Camera":
        """Camera of the part of the image whose first pixel is (x, y).

        >>> Camera(500, 500, 319.5, 239.5).cropped(300, 200, 64, 64).cx
        19.5
        """
        return replace(self, cx=self.cx - x, cy=self.cy - y, width=width, height=height)

    def scaled(self, sx: float, sy: float) -> "Camera":
        """Camera of the resized image; pixel centres map as cv2.resize does.

        >>> half = Camera(500, 500, 319.5, 239.5, 640, 480).scaled(0.5, 0.5)
        >>> half.fx, half.cx, half.width
        (250.0, 159.5, 320)
        """
        return replace(
            self,
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=(self.cx + 0.5) * sx - 0.5,
            cy=(self.cy + 0.5) * sy - 0.5,
            width=None if self.width is None else round(self.width * sx),
            height=None if self.height is None else round(self.height * sy),
        )

    def mirrored(self, width: int | None = None) -> "Camera":
        """Camera of the horizontally flipped image, `width` pixels wide where unknown before.

        Raises:
            ValueError: the width is not known.

        >>> Camera(500, 500, 300, 240).mirrored(640).cx
        339
        """
        width = self.width if width is None else width
        if width is None:
            raise ValueError("camera: its width must be known to mirror it")
        flipped = list(self.distortion)
        # The terms that are odd in x: p2, thin prism s1 and s2, tilt about y.
        odd = () if self.model == "equidistant" else (3, 8, 9, 13)
        for i in odd:
            if i < len(flipped):
                flipped[i] = -flipped[i]
        return replace(self, cx=width - 1 - self.cx, width=width, distortion=tuple(flipped))

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels of points in the camera's optical frame.

        Args:
            points: (..., 3), metres, x right, y down, z forward.

        Returns:
            (..., 2) float64 pixels (x, y); NaN behind the camera (z <= 0).
        """
        points = np.asarray(points, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            rays = np.where(points[..., 2:] > 0, points[..., :2] / points[..., 2:], np.nan)
        return self._distort(rays.reshape(-1, 2)).reshape(rays.shape)

    def unproject(self, pixels: np.ndarray) -> np.ndarray:
        """Rays of pixels, lens distortion taken out; the inverse of `project`.

        Args:
            pixels: (..., 2) pixels (x, y).

        Returns:
            (..., 3) float64 with z = 1; times a depth in metres it is a point in the optical
            frame. NaN where the lens model has no such pixel.
        """
        pixels = np.asarray(pixels, dtype=np.float64)
        flat = pixels.reshape(-1, 2)
        rays = (flat - (self.cx, self.cy)) / (self.fx, self.fy)
        if self.is_distorted:
            rays = self._undistort(flat)
        rays = np.concatenate([rays, np.ones((len(rays), 1))], axis=1)
        rays[~np.isfinite(rays).all(axis=1)] = np.nan
        return rays.reshape(*pixels.shape[:-1], 3)

    def _distort(self, rays: np.ndarray) -> np.ndarray:
        if not self.is_distorted or len(rays) == 0:
            return rays * (self.fx, self.fy) + (self.cx, self.cy)
        points = np.concatenate([rays, np.ones((len(rays), 1))], axis=1)
        zero, coefficients = np.zeros(3), np.array(self.distortion)
        if self.model == "equidistant":
            pixels, _ = cv2.fisheye.projectPoints(
                points[None], zero, zero, self.matrix, coefficients
            )
        else:
            pixels, _ = cv2.projectPoints(points, zero, zero, self.matrix, coefficients)
        return pixels.reshape(-1, 2)

    def _undistort(self, pixels: np.ndarray) -> np.ndarray:
        if len(pixels) == 0:
            return pixels
        points, coefficients = pixels[None].copy(), np.array(self.distortion)
        if self.model == "equidistant":
            rays = cv2.fisheye.undistortPoints(
                points, self.matrix, coefficients, criteria=_ITERATE
            ).reshape(-1, 2)
        else:
            rays = cv2.undistortPointsIter(
                points, self.matrix, coefficients, np.eye(3), np.eye(3), _ITERATE
            ).reshape(-1, 2)
        # Beyond the lens's range the iteration ends anywhere; only what projects back counts.
        with np.errstate(invalid="ignore"):
            error = np.abs(self._distort(rays) - pixels).max(axis=1)
            return np.where((error < _ROUND_TRIP_PX)[:, None], rays, np.nan)


def _lens(info: Any) -> tuple[tuple[float, ...], str]:
    """Coefficients and model of a CameraInfo; without distortion the model's name is no matter."""
    distortion = tuple(float(d) for d in info.d)
    if not any(distortion):
        return (), "none"
    name = str(info.distortion_model)
    return distortion, "equidistant" if name == "fisheye" else name
