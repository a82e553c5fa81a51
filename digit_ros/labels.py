# SPDX-License-Identifier: Apache-2.0
"""The `label_info` message: what the numbers in `segmentation` mean.

vision_msgs/LabelInfo where that package is installed, else std_msgs/String with JSON.
"""

import json
from typing import Any

from std_msgs.msg import Header, String

from digit_core.parts import PALETTE, label_names

try:
    from vision_msgs.msg import LabelInfo, VisionClass
except ImportError:
    LabelInfo = None

#: Type of the message that `label_info` gives.
LABEL_INFO_TYPE = LabelInfo or String


def label_info(header: Header) -> Any:
    """Names of the 33 labels, as `LABEL_INFO_TYPE`.

    The JSON form is a list of {"label", "name", "color"}, color being RGB 0 to 255 as in
    `segmentation_color`; LabelInfo has no place for colours and none for a String's header.
    """
    if LabelInfo is None:
        return String(data=json.dumps(_rows()))
    classes = [VisionClass(class_id=row["label"], class_name=row["name"]) for row in _rows()]
    return LabelInfo(header=header, class_map=classes, threshold=0.0)


def _rows() -> list[dict[str, Any]]:
    return [
        {"label": label, "name": name, "color": PALETTE[label].tolist()}
        for label, name in enumerate(label_names())
    ]
