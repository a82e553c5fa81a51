# SPDX-License-Identifier: Apache-2.0
"""Pictures, videos and files of intrinsics: frames, or one sentence."""

import json

import cv2
import numpy as np
import pytest
from fuzzing import Reader, damaged, spoiled, tried
from hypothesis import given
from hypothesis import strategies as st

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 255, (24, 32, 3), np.uint8)
KINDS = ("jpg", "png", "bmp", "webp", "tiff", "ppm", "gif", "jp2", "hdr")
SIDECAR = {"fx": 500.0, "fy": 500.0, "cx": 319.5, "cy": 239.5, "width": 640, "height": 480}


def pictures():
    """(ending, content) of every kind that this OpenCV writes."""
    made = []
    for kind in KINDS:
        image = PICTURE.astype(np.float32) / 255 if kind == "hdr" else PICTURE
        try:
            good, data = cv2.imencode(f".{kind}", image)
        except cv2.error:
            continue
        if good:
            made.append((kind, data.tobytes()))
    return made


def video(folder, ending, codec):
    path = folder / f"made.{ending}"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 25.0, (64, 48))
    for number in range(6):
        writer.write(np.roll(np.full((48, 64, 3), 90, np.uint8), number))
    writer.release()
    return ending, path.read_bytes()


class Files:
    """Good pictures and videos, and where a spoiled one is put."""

    def __init__(self, folder):
        self.folder = folder
        kinds = [("mp4", "mp4v"), ("avi", "MJPG"), ("mkv", "mp4v")]
        self.pictures = pictures()
        self.videos = [video(folder, *kind) for kind in kinds]
        self.good = folder / "good.mp4"
        self.good.write_bytes(self.videos[0][1])

    def put(self, ending, data):
        path = self.folder / f"spoiled.{ending}"
        path.write_bytes(data)
        return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("media"))


@pytest.fixture(scope="module", params=["media", "player"])
def reader(request, files):
    if request.param == "player":
        pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    reader = Reader(request.param, files.good)
    yield reader
    reader.close()


@tried(0.5)
@given(data=st.data())
def test_pictures(files, reader, data):
    ending, good = data.draw(st.sampled_from(files.pictures))
    reader.check(files.put(ending, data.draw(damaged([good]))))


@tried(0.5)
@given(data=st.data())
def test_videos(files, reader, data):
    ending, good = data.draw(st.sampled_from(files.videos))
    reader.check(files.put(ending, data.draw(damaged([good]))))


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory):
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    good = tmp_path_factory.mktemp("sidecar") / "good.json"
    good.write_text(json.dumps(SIDECAR))
    reader = Reader("sidecar", good)
    yield reader
    reader.close()


@tried(0.5)
@given(data=st.data())
def test_intrinsics(sidecar, data):
    content = SIDECAR | {"distortion": [0.1, 0.0, 0.0, 0.0, 0.0]}
    text = json.dumps(data.draw(spoiled(content))).encode()
    if data.draw(st.booleans()):
        text = data.draw(damaged([text]))
    path = sidecar.good.with_name("spoiled.json")
    path.write_bytes(text)
    sidecar.check(path)
