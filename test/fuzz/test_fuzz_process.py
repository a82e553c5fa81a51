# SPDX-License-Identifier: Apache-2.0
"""Broken CDR over real topics to a real digit_node, which answers a good image afterwards."""

import os
import random
from array import array
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, Image

from digit_core import weights as core_weights
from digit_ros.msg import TwoHandSkeleton

COUNT = min(int(os.environ.get("DIGIT_FUZZ_COUNT", 200)), 2000)
SEED = int(os.environ.get("DIGIT_FUZZ_SEED", 0))


def good_image(number):
    message = Image(encoding="rgb8", width=16, height=16, step=48)
    message.data = array("B", [90]) * (48 * 16)
    message.header.frame_id, message.header.stamp.sec = "eye", 100 + number
    return message


def broken(rng, data):
    """CDR that is cut, or has a word exchanged: lengths that lie, text that is no UTF-8."""
    data = bytearray(data)
    for _ in range(rng.randint(0, 3)):
        place = rng.randrange(4, len(data) - 4) & ~3 if rng.random() < 0.8 else 0
        data[place : place + 4] = rng.choice([b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", bytes(4)])
    return bytes(data[: rng.randint(0, len(data))] if rng.random() < 0.5 else data)


def listening_tcp(pid):
    """Local addresses of the listening TCP sockets of a process."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            sockets.add(os.readlink(descriptor))
        except OSError:
            continue
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                found.append(fields[1])
    return found


def test_broken_cdr_leaves_the_node_alive_and_it_listens_on_no_tcp_port(start_node, ears):
    if not core_weights.BUNDLED.is_file():
        pytest.skip(f"{core_weights.BUNDLED.name} is missing")
    rng = random.Random(SEED)
    node = start_node("digit_node")
    skeletons = ears.listen(TwoHandSkeleton, "skeleton", 50)
    images = ears.publisher(Image, "image", 10, wait_for_subscriber_s=150)
    infos = ears.publisher(CameraInfo, "camera_info", 10, wait_for_subscriber_s=150)

    def answered(number):
        message = good_image(number)
        images.publish(message)
        ears.spin_for(0.2)
        return any(s.header == message.header for s in skeletons)

    ears.spin_until(lambda: answered(0), 150, "the first answer")
    assert not listening_tcp(node.pid)
    image, info = serialize_message(good_image(1)), serialize_message(CameraInfo())
    for _ in range(COUNT):
        images.publish(broken(rng, image))
        infos.publish(broken(rng, info))
        ears.spin_for(0.005)
        assert node.running, node.output
    ears.spin_until(lambda: answered(2), 150, "an answer after the broken messages")
    assert "Traceback" not in node.output
