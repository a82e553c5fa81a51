# SPDX-License-Identifier: Apache-2.0
"""label_info says what every number in the segmentation means, with or without vision_msgs."""

import json

from std_msgs.msg import Header

from digit_core.parts import PALETTE, label_names
from digit_ros import labels


def test_all_33_labels_are_named_in_order():
    message = labels.label_info(Header())
    if labels.LabelInfo is None:
        rows = json.loads(message.data)
        assert [row["name"] for row in rows] == label_names()
        assert [row["color"] for row in rows] == PALETTE.tolist()
        assert [row["label"] for row in rows] == list(range(33))
    else:
        assert [row.class_name for row in message.class_map] == label_names()
        assert [row.class_id for row in message.class_map] == list(range(33))
