# SPDX-License-Identifier: Apache-2.0
"""Raw images cross between processes without loss under our Fast DDS profile."""

import sys
from pathlib import Path

import numpy as np
import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from digit_ros import fastdds

SEND = Path(__file__).parent / "programs" / "send_images.py"
COUNT = 20
#: Best effort drops what a process that is kept from running for half a second cannot take; without
#: the profile none of these images arrives.
MOST_LOST = {"reliable": 0, "best_effort": 2}


@pytest.mark.parametrize("reliability", ["best_effort", "reliable"])
@pytest.mark.parametrize("size", [(640, 480), (1280, 720), (1920, 1080)], ids=lambda s: f"{s[0]}")
def test_every_image_arrives_whole(start_process, ears, size, reliability):
    width, height = size
    # All fit into the queue: it is the transport that is tested, not how often this process runs.
    qos = QoSProfile(depth=COUNT, reliability=ReliabilityPolicy[reliability.upper()])
    heard = ears.listen(Image, "image", qos)
    sender = start_process(
        sys.executable,
        SEND,
        width,
        height,
        reliability,
        COUNT,
        env={fastdds.VARIABLE: fastdds.profile_path()},
    )
    ears.spin_until(lambda: len(heard) == COUNT or not sender.running, 30.0, f"{COUNT} images")
    ears.spin_for(0.5)
    assert sender.wait() == 0
    numbers = [int(image.header.frame_id) for image in heard]
    assert numbers == sorted(set(numbers)) and set(numbers) <= set(range(COUNT))
    assert COUNT - len(numbers) <= MOST_LOST[reliability], f"{numbers} of {COUNT} arrived"
    for number, image in zip(numbers, heard, strict=True):
        data = np.frombuffer(image.data, np.uint8)
        assert data.size == width * height * 3
        assert (data == number).all()


def test_profile_is_only_a_default():
    chosen = {fastdds.VARIABLE: "/mine.xml"}
    fastdds.use_profile(chosen)
    assert chosen == {fastdds.VARIABLE: "/mine.xml"}
    unset = {}
    fastdds.use_profile(unset)
    assert list(unset) == [fastdds.VARIABLE]
    assert Path(unset[fastdds.VARIABLE]).is_file()
