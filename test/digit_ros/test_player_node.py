# SPDX-License-Identifier: Apache-2.0
"""The player as its own process: what it publishes, how fast, and what it says to bad input."""

import json
from itertools import pairwise

import cv2
import numpy as np
import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

WIDTH, HEIGHT, FRAMES, RATE_HZ = 320, 240, 30, 20.0


@pytest.fixture
def clip(tmp_path):
    """A video of FRAMES pictures, each of one brightness that tells its number."""
    path = tmp_path / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), RATE_HZ, (WIDTH, HEIGHT))
    assert writer.isOpened()
    for number in range(FRAMES):
        writer.write(np.full((HEIGHT, WIDTH, 3), 8 * number, np.uint8))
    writer.release()
    return path


@pytest.fixture
def play(start_node, ears):
    """play(**parameters) -> (images, infos, process), once the process has ended."""

    def run(expected=None, reliability="reliable", **parameters):
        qos = QoSProfile(depth=50, reliability=ReliabilityPolicy[reliability.upper()])
        images, infos = (
            ears.listen(Image, "image", qos),
            ears.listen(CameraInfo, "camera_info", qos),
        )
        parameters |= {"reliability": reliability, "wait_for_subscriber_s": 10.0}
        player = start_node("player_node", parameters)
        if expected is None:
            ears.spin_until(lambda: not player.running, 30.0, "the player's end")
        else:
            ears.spin_until(lambda: min(len(images), len(infos)) >= expected, 30.0, "the images")
        return images, infos, player

    return run


def stamps_s(messages):
    return [m.header.stamp.sec + m.header.stamp.nanosec * 1e-9 for m in messages]


def test_video_whole_and_at_its_own_rate(play, clip):
    images, infos, player = play(source=clip, frame_id="eye")
    assert player.wait() == 0
    assert f"sent {FRAMES} images" in player.output
    assert len(images) == len(infos) == FRAMES
    assert [i.header for i in images] == [i.header for i in infos]
    assert {i.header.frame_id for i in images} == {"eye"}
    assert {(i.width, i.height, i.encoding, i.step) for i in images} == {
        (WIDTH, HEIGHT, "rgb8", 3 * WIDTH)
    }
    levels = [np.frombuffer(i.data, np.uint8).mean() for i in images]
    assert np.abs(np.array(levels) - 8 * np.arange(FRAMES)).max() < 4
    gaps = [b - a for a, b in pairwise(stamps_s(images))]
    assert np.median(gaps) == pytest.approx(1 / RATE_HZ, rel=0.25)
    assert not any(infos[0].k)  # nothing is known of this camera


def test_best_effort_video_arrives_too(play, clip):
    images, _, player = play(source=clip, reliability="best_effort")
    assert player.wait() == 0
    assert FRAMES - 2 <= len(images) <= FRAMES  # best effort: a busy machine may lose one


def test_sidecar_gives_the_intrinsics(play, clip):
    given = {"fx": 300, "fy": 301.5, "cx": 159.5, "cy": 119.5, "width": WIDTH, "height": HEIGHT}
    clip.with_suffix(".json").write_text(json.dumps(given))
    _, infos, player = play(source=clip, count=3, hfov_deg=90.0)
    assert player.wait() == 0
    assert len(infos) == 3
    assert list(infos[0].k) == [300, 0, 159.5, 0, 301.5, 119.5, 0, 0, 1]
    assert (infos[0].width, infos[0].height) == (WIDTH, HEIGHT)
    assert list(infos[0].p[:3]) == [300, 0, 159.5]


def test_sidecar_of_another_size_is_refused(play, clip):
    given = {"fx": 300, "fy": 300, "cx": 320, "cy": 240, "width": 640, "height": 480}
    clip.with_suffix(".json").write_text(json.dumps(given))
    _, _, player = play(source=clip)
    assert player.wait() == 1
    assert "clip.json is for pictures of 640x480, this one has 320x240" in player.output
    assert "Traceback" not in player.output


def test_field_of_view_stands_in(play, clip):
    _, infos, _ = play(source=clip, count=1, hfov_deg=90)
    assert infos[0].k[0] == pytest.approx(WIDTH / 2)
    assert infos[0].k[2] == pytest.approx((WIDTH - 1) / 2)


def test_one_picture_again_and_again_in_bgr(play, tmp_path):
    picture = np.zeros((6, 8, 3), np.uint8)
    picture[:] = (255, 10, 20)
    cv2.imwrite(str(tmp_path / "blue.png"), picture)
    images, _, player = play(
        source=tmp_path / "blue.png", loop=True, count=4, rate_hz=50, encoding="bgr8"
    )
    assert player.wait() == 0
    assert len(images) == 4
    assert images[0].encoding == "bgr8"
    assert list(images[0].data[:3]) == [255, 10, 20]


def test_folder_in_the_order_of_names_and_a_list_in_its_own(play, tmp_path):
    for name, level in (("b", 20), ("a", 10), ("c", 30)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((4, 4, 3), level, np.uint8))
    images, _, _ = play(source=tmp_path, rate_hz=50.0)
    assert [image.data[0] for image in images] == [10, 20, 30]
    images, _, _ = play(source=[tmp_path / "c.png", tmp_path / "a.png"], rate_hz=50.0)
    assert [image.data[0] for image in images] == [30, 10]


def test_loop_goes_on_until_interrupted(play, clip):
    images, _, player = play(source=clip, loop=True, rate_hz=200.0, expected=FRAMES + 5)
    assert player.stop() == 0
    assert "Traceback" not in player.output
    assert len(images) >= FRAMES + 5


@pytest.mark.parametrize("content", [b"", b"this is no video\n" * 100], ids=["empty", "text"])
def test_a_video_that_is_none(start_node, tmp_path, content):
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    player = start_node("player_node", {"source": path})
    assert player.wait() == 1
    assert f"{path} is no video that can be decoded" in player.output
    assert len(player.output.strip().splitlines()) == 1


def test_a_video_cut_short_is_refused(start_node, clip):
    clip.write_bytes(clip.read_bytes()[:1500])
    player = start_node("player_node", {"source": clip})
    assert player.wait() == 1
    assert "is no video that can be decoded" in player.output
    assert "Traceback" not in player.output


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"source": "/no/such/clip.mp4"}, "/no/such/clip.mp4 does not exist"),
        ({"source": ""}, "source is empty"),
        ({"source": 77}, "camera 77 cannot be opened"),
        ({"source": "x", "rate_hz": -1.0}, "parameter rate_hz is -1.0; expected a number from 0"),
        ({"source": "x", "encoding": "yuv"}, "parameter encoding is 'yuv'; expected one of rgb8"),
        ({"source": "x", "loop": 3}, "parameter loop is 3; expected true or false"),
    ],
)
def test_bad_parameters_get_one_sentence(start_node, parameters, sentence):
    player = start_node("player_node", parameters)
    assert player.wait() == 1
    assert sentence in player.output
    assert len(player.output.strip().splitlines()) == 1


def test_a_folder_without_pictures(start_node, tmp_path):
    player = start_node("player_node", {"source": tmp_path})
    assert player.wait() == 1
    assert "holds no picture" in player.output
