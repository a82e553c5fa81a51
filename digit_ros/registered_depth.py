# SPDX-License-Identifier: Apache-2.0
"""The depth image of a colour image, refused where it does not lie on it."""

from sensor_msgs.msg import Image

from digit_core.depth_image import DepthImage
from digit_ros.images import BadImage, depth_from_image

#: Aspect ratios of image and depth image may differ by rounding.
_SAME_ASPECT = 0.02


def registered_depth(message: Image, shape: tuple[int, int], frame_id: str) -> DepthImage:
    """The depths of a message that is registered (aligned) to a colour image.

    Args:
        message: 16UC1 in millimetres or 32FC1 in metres.
        shape: height and width of the colour image, pixels.
        frame_id: of the colour image's header.

    Raises:
        BadImage: it cannot be read, or its shape or frame is another one.
    """
    depth = depth_from_image(message)
    (height, width), named = depth.values.shape, message.header.frame_id
    if abs(width * shape[0] / (height * shape[1]) - 1) > _SAME_ASPECT:
        raise BadImage(
            f"the depth image has {width}x{height} pixels but the image {shape[1]}x{shape[0]};"
            " expected one registered (aligned) to the image"
        )
    if named != frame_id:
        raise BadImage(
            f"the depth image's frame is '{named}' but the image's is '{frame_id}';"
            " expected one registered (aligned) to the image"
        )
    return depth
