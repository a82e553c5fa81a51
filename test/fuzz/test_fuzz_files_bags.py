# SPDX-License-Identifier: Apache-2.0
"""Recordings and their journals that are damaged: all images answered, or one BagError."""

import json
import shutil
import struct
import zlib
from array import array

import cv2
import numpy as np
import pytest
from fuzzing import Reader, damaged, spoiled, tried
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("rosbags", reason="rosbags is not installed")

import yaml
from rclpy.serialization import serialize_message
from rosbags import rosbag2
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from digit_core import weights as core_weights

STORE = get_typestore(Stores.LATEST)
K = [60.0, 0.0, 15.5, 0.0, 60.0, 11.5, 0.0, 0.0, 1.0]
PICTURE = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)


def raw(number):
    message = Image(encoding="rgb8", height=24, width=32, step=96)
    message.data = array("B", PICTURE.tobytes())
    message.header.frame_id, message.header.stamp.sec = "eye", number
    return message


def compressed(number):
    message = CompressedImage(format="jpeg")
    message.data = array("B", cv2.imencode(".jpg", PICTURE)[1].tobytes())
    message.header.stamp.sec = number
    return message


def info():
    return CameraInfo(width=32, height=24, distortion_model="plumb_bob", d=[0.0] * 5, k=K)


def write(path, rows, storage):
    """A bag of (topic, type, CDR) rows."""
    shutil.rmtree(path, ignore_errors=True)
    plugin = rosbag2.StoragePlugin[storage]
    with rosbag2.Writer(path, version=9, storage_plugin=plugin) as writer:
        made = {}
        for number, (topic, kind, data) in enumerate(rows):
            if topic not in made:
                made[topic] = writer.add_connection(
                    topic, f"sensor_msgs/msg/{kind}", typestore=STORE
                )
            writer.write(made[topic], 10**9 + number, data)


def rows(kind="Image"):
    """Two images and a CameraInfo, as CDR."""
    make = {"Image": raw, "CompressedImage": compressed}[kind]
    images = [("/cam/image", kind, serialize_message(make(n))) for n in range(2)]
    return [("/cam/camera_info", "CameraInfo", serialize_message(info())), *images]


class Bags:
    """A good bag of each kind, and a place for spoiled ones."""

    def __init__(self, folder):
        self.folder, self.place = folder, folder / "in" / "bag"
        self.place.parent.mkdir()
        self.good = {}
        for storage in ("MCAP", "SQLITE3"):
            write(folder / storage, rows(), storage)
            self.good[storage] = {p.name: p.read_bytes() for p in (folder / storage).iterdir()}

    def spoil(self, storage, name, data):
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir()
        for other, good in self.good[storage].items():
            (self.place / other).write_bytes(data if other == name else good)
        return self.place


@pytest.fixture(scope="module")
def bags(tmp_path_factory):
    return Bags(tmp_path_factory.mktemp("bags"))


@pytest.fixture(scope="module")
def reader(bags):
    if not core_weights.BUNDLED.is_file():
        pytest.skip(f"{core_weights.BUNDLED.name} is missing")
    reader = Reader("bag", bags.folder / "MCAP")
    yield reader
    reader.close()


def check(reader, bags):
    """The sentence names the bag, its file, or the answers' journal beside it."""
    reader.check(bags.place, named=bags.place.parent)


@tried(0.25)
@given(data=st.data(), storage=st.sampled_from(["MCAP", "SQLITE3"]))
def test_files(bags, reader, data, storage):
    name = data.draw(st.sampled_from([n for n in bags.good[storage] if n != "metadata.yaml"]))
    bags.spoil(storage, name, data.draw(damaged([bags.good[storage][name]])))
    check(reader, bags)


@tried(0.25)
@given(data=st.data(), storage=st.sampled_from(["MCAP", "SQLITE3"]))
def test_metadata(bags, reader, data, storage):
    text = bags.good[storage]["metadata.yaml"]
    if data.draw(st.booleans()):
        spoiled_text = data.draw(damaged([text]))
    else:
        spoiled_text = yaml.safe_dump(data.draw(spoiled(yaml.safe_load(text)))).encode()
    bags.spoil(storage, "metadata.yaml", spoiled_text)
    check(reader, bags)


@tried(0.25)
@given(data=st.data(), kind=st.sampled_from(["Image", "CompressedImage"]))
def test_messages(bags, reader, data, kind):
    """CDR in a sound bag that is cut or lies."""
    good = rows(kind)
    spoilt = data.draw(st.integers(0, len(good) - 1))
    topic, name, cdr = good[spoilt]
    good[spoilt] = topic, name, data.draw(damaged([cdr]))
    write(bags.place, good, "MCAP")
    check(reader, bags)


KEY = {"input": "a"}
#: As `Record.to_bytes` writes it.
RECORD = {
    "camera": "/cam/image",
    "fault": "",
    "messages": [["/skeleton", "std_msgs/msg/Header", 4], ["/tf", "std_msgs/msg/Header", 2]],
    "state": {"track": {"swaps": 0}, "hold": {}},
}


def frame(content):
    return struct.pack("<II", len(content), zlib.crc32(content)) + content


def journal_of(*records):
    return frame(json.dumps(KEY).encode()) + b"".join(map(frame, records))


SOUND = json.dumps(RECORD).encode() + b"\n" + b"4444" + b"22"


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    good = tmp_path_factory.mktemp("journal") / "good"
    good.write_bytes(journal_of(SOUND))
    reader = Reader("journal", good)
    yield reader, good.with_name("spoiled")
    reader.close()


def check_journal(journal, data):
    reader, path = journal
    path.write_bytes(data)
    reader.check(path)


@tried(0.5)
@given(data=damaged([journal_of(SOUND, SOUND), journal_of()]))
def test_journals(journal, data):
    check_journal(journal, data)


@tried(0.5)
@given(head=spoiled(RECORD), body=st.binary(max_size=8))
def test_journals_whose_records_lie(journal, head, body):
    check_journal(journal, journal_of(json.dumps(head).encode() + b"\n" + body))


@tried(0.25)
@given(line=damaged([SOUND, b"[" * 100_000]))
def test_journals_of_other_lines(journal, line):
    check_journal(journal, frame(line) + frame(line))
    check_journal(journal, journal_of(line))
