# SPDX-License-Identifier: Apache-2.0
"""Why no images come, for diagnostics."""

#: So many seconds without an image are worth a sentence.
_SILENT_S = 3
_INFOS_OF_A_RUNNING_CAMERA = 3


class MissingImages:
    """Counts a camera's images and CameraInfos, second by second."""

    def __init__(self) -> None:
        """Nothing has come."""
        self._seconds = self._infos = 0

    def image_came(self) -> None:
        """An image came."""
        self._seconds = 0

    def camera_info_came(self) -> None:
        """A CameraInfo came."""
        self._infos += 1

    def second_passed(self, has_publisher: bool) -> str:
        """A sentence about images that do not come; empty while they do, or soon after.

        Args:
            has_publisher: whether anybody publishes images.
        """
        self._seconds += 1
        infos, self._infos = self._infos, 0
        if self._seconds <= _SILENT_S:
            return ""
        if infos >= _INFOS_OF_A_RUNNING_CAMERA:
            return (
                "CameraInfo arrives but no images; if the camera publishes them,"
                " start it with FASTDDS_DEFAULT_PROFILES_FILE set to digit_ros' config/fastdds.xml"
                " (Fast DDS's default shared memory is too small for raw images)"
            )
        return "" if has_publisher else "nobody publishes images; is the camera running?"
