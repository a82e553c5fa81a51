# SPDX-License-Identifier: Apache-2.0
"""The camera of a stream: the last CameraInfo, or an assumed field of view, or none."""

from sensor_msgs.msg import CameraInfo

from digit_core.camera import Camera
from digit_core.hands import Intrinsics


class Calibration:
    """Keeps the last CameraInfo of one stream and gives the camera of each image."""

    def __init__(self, rectified: bool) -> None:
        self._rectified = rectified
        self._info: CameraInfo | None = None
        self._camera: Camera | None = None
        self._fault = ""

    def update(self, info: CameraInfo) -> None:
        """Take a new CameraInfo; a bad one shows at the next image."""
        if self._info is not None and _same_camera(self._info, info):
            return
        self._info = info
        try:
            self._camera, self._fault = Camera.from_camera_info(info, self._rectified), ""
        except ValueError as error:
            self._camera, self._fault = None, str(error).removeprefix("camera_info: ")

    def camera(
        self, width: int, height: int, frame_id: str, fallback_hfov_deg: float
    ) -> tuple[Camera | None, Intrinsics, str]:
        """The camera of an image of this size.

        Args:
            width: of the image, pixels.
            height: of the image, pixels.
            frame_id: of the image's header.
            fallback_hfov_deg: horizontal field of view that stands in, degrees; 0 for none.

        Returns:
            (Camera or None, Intrinsics, sentence): the sentence is empty when all is well, else it
            says why the CameraInfo does not serve and what is done instead.
        """
        fault = self._fault_for(width, height)
        if not fault:
            return self._camera, Intrinsics.CAMERA_INFO, self._frame_note(frame_id)
        if fallback_hfov_deg > 0:
            assumed = Camera.from_hfov(fallback_hfov_deg, width, height)
            note = f"{fault}; a field of view of {fallback_hfov_deg:g} degrees is assumed instead"
            return assumed, Intrinsics.ASSUMED, note
        note = (
            f"{fault}; without it no joints in metres in the camera frame (see fallback_hfov_deg)"
        )
        return None, Intrinsics.NONE, note

    def _frame_note(self, frame_id: str) -> str:
        """Another frame than the image's: it is used, as a driver may have named it carelessly."""
        named = self._info.header.frame_id if self._info else frame_id
        if named in ("", frame_id):
            return ""
        return f"its frame is '{named}' but the image's is '{frame_id}'; is it the same camera's?"

    def _fault_for(self, width: int, height: int) -> str:
        if self._info is None:
            return "no CameraInfo has arrived"
        if self._camera is None:
            return self._fault
        size = (self._camera.width or width, self._camera.height or height)
        if size != (width, height):
            return f"it is for {size[0]}x{size[1]} but the image has {width}x{height} pixels"
        return ""


def _same_camera(one: CameraInfo, other: CameraInfo) -> bool:
    if one.header.frame_id != other.header.frame_id:
        return False
    names = ("width", "height", "distortion_model", "d", "binning_x", "binning_y", "roi")
    if any(getattr(one, name) != getattr(other, name) for name in names):
        return False
    return bool(one.k.tolist() == other.k.tolist() and one.p.tolist() == other.p.tolist())
