# SPDX-License-Identifier: Apache-2.0
"""Camera drivers that digit.launch.py knows: how they start, and what their topics are called."""

from dataclasses import dataclass, field
from typing import Any

#: Frame that the drivers are told to put into their headers, where they can be told.
FRAME = "camera_optical_frame"


@dataclass(frozen=True)
class Driver:
    """One driver.

    Attributes:
        package, executable: of its node.
        image, camera_info: its topics, relative to its namespace.
        namespace: what its node is started in.
        depth: topic of depth images registered to the image; empty without.
        device: name of the parameter that takes a device file; empty without.
        parameters: what it is started with.
        frame: of its images.
    """

    package: str
    executable: str
    image: str = "image_raw"
    camera_info: str = "camera_info"
    namespace: str = "camera"
    depth: str = ""
    device: str = "video_device"
    parameters: dict[str, Any] = field(default_factory=dict)
    frame: str = FRAME

    def topic(self, name: str) -> str:
        """Full name of one of its topics, "image", "camera_info" or "depth"; empty without."""
        relative = getattr(self, name)
        return f"/{self.namespace}/{relative}" if relative else ""


#: Topics and parameters as the drivers' own documentation has them in 2026.
DRIVERS = {
    "usb_cam": Driver(
        "usb_cam", "usb_cam_node_exe", parameters={"frame_id": FRAME, "camera_frame_id": FRAME}
    ),
    "v4l2_camera": Driver(
        "v4l2_camera",
        "v4l2_camera_node",
        parameters={"camera_frame_id": FRAME, "output_encoding": "rgb8"},
    ),
    "realsense2_camera": Driver(
        "realsense2_camera",
        "realsense2_camera_node",
        image="color/image_raw",
        camera_info="color/camera_info",
        namespace="camera/camera",
        depth="aligned_depth_to_color/image_raw",
        device="",
        parameters={"enable_color": True, "enable_depth": True, "align_depth.enable": True},
        frame="camera_color_optical_frame",
    ),
}
