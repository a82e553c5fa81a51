# SPDX-License-Identifier: Apache-2.0
"""Bags and the demo's film have the permissions that the umask gives."""

import numpy as np
import pytest
from rclpy.serialization import serialize_message
from std_msgs.msg import Header

from digit_ros.bag import run
from digit_ros.bag.__main__ import main as bag
from digit_ros.demo.film import Film
from digit_ros.images import image_from_array


@pytest.mark.parametrize("storage", ["MCAP", "SQLITE3"])
def test_bags(storage, tmp_path, as_the_umask_says, monkeypatch):
    rosbag2 = pytest.importorskip("rosbags.rosbag2", reason="rosbags is not installed")
    typesys = pytest.importorskip("rosbags.typesys")
    store, plugin = typesys.get_typestore(typesys.Stores.LATEST), rosbag2.StoragePlugin[storage]
    image = image_from_array(np.full((96, 128, 3), 90, np.uint8), "rgb8", Header(frame_id="eye"))
    with rosbag2.Writer(tmp_path / "in", version=9, storage_plugin=plugin) as writer:
        topic = writer.add_connection("/image", "sensor_msgs/msg/Image", typestore=store)
        writer.write(topic, 1, serialize_message(image))

    def write(*arguments):
        as_the_umask_says(tmp_path / "out.part")  # the journal
        write_bag(*arguments)

    write_bag = run.write_bag
    monkeypatch.setattr(run, "write_bag", write)
    assert bag([str(tmp_path / "in"), str(tmp_path / "out")]) == 0
    as_the_umask_says(tmp_path)


def test_film(tmp_path, as_the_umask_says):
    film = Film(tmp_path / "overlay.mp4")
    for number in range(2):
        film.add(np.full((96, 128, 3), 90, np.uint8), 0.1 * number)
    film.close(tmp_path / "sheet.png")
    as_the_umask_says(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"overlay.mp4", "sheet.png"}
