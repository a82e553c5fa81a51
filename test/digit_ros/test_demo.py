# SPDX-License-Identifier: Apache-2.0
"""The demo as users run it: what it leaves and says, and that nothing outlives it."""

import os
import re
import signal
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

PICTURE = (240, 320, 3)


@pytest.fixture
def picture(tmp_path):
    """A picture file without hands."""
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, PICTURE, np.uint8))
    return path


@pytest.fixture
def start_demo(start_process, weights, tmp_path):
    """start_demo(*arguments) -> Process; the name of tmp_path is in every child's command line."""
    own = tmp_path / "weights.safetensors"
    own.symlink_to(weights)

    def start(*arguments):
        output = tmp_path / "demo_output"
        options = ("--weights", own, "--output", output)
        return start_process(sys.executable, "-m", "digit_ros.demo", *options, *arguments)

    return start


def left_over(folder: Path) -> list[str]:
    """Command lines of running processes that name `folder`."""
    lines = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            lines += [line] if str(folder) in line else []
    return lines


def test_a_picture_through_the_topics(start_demo, picture, tmp_path):
    demo = start_demo("--image", picture)
    assert demo.wait(180.0) == 0
    said = demo.output
    for row in ("frames    30 sent", "rate", "latency", "device    cpu", "weights", "written"):
        assert row in said
    processed, dropped = map(int, re.search(r"(\d+) processed, (-?\d+) dropped", said).groups())
    assert processed + dropped == 30 and dropped >= 0
    video = cv2.VideoCapture(str(tmp_path / "demo_output" / "overlay.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) >= 30
    done, frame = video.read()
    assert done and frame.shape == PICTURE
    sheet = cv2.imread(str(tmp_path / "demo_output" / "contact_sheet.png"))
    assert sheet.shape[1] == 4 * 320 and sheet.any()
    assert left_over(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--video", "SELF"], "player ended early: .*is no video that can be decoded"),
        (["--image", "/nowhere.png"], "/nowhere.png: no such file"),
        (["--camera", "63"], "player ended early: .*camera 63 cannot be opened"),
    ],
)
def test_a_source_that_fails_is_one_sentence(start_demo, tmp_path, arguments, words):
    no_video = tmp_path / "no_video.mp4"
    no_video.write_text("hello")
    demo = start_demo(*[str(no_video) if word == "SELF" else word for word in arguments])
    assert demo.wait(180.0) == 1
    demo.wait_for(f"demo: {words}")
    assert "Traceback" not in demo.output
    assert left_over(tmp_path) == []


def test_a_node_that_fails_is_one_sentence(start_process, picture, tmp_path):
    weights = tmp_path / "none.safetensors"
    options = ("--weights", weights, "--output", tmp_path / "out", "--image", picture)
    demo = start_process(sys.executable, "-m", "digit_ros.demo", *options)
    assert demo.wait(180.0) == 1
    demo.wait_for("demo: digit_node ended early: .*none.safetensors: no such weights file")
    assert left_over(tmp_path) == []


@pytest.fixture
def long_demo(start_demo, wait_until, tmp_path):
    """A demo that would play for half a minute, with its three children up."""
    still = tmp_path / "still.mp4"
    writer = cv2.VideoWriter(str(still), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (320, 240))
    for _ in range(300):
        writer.write(np.zeros(PICTURE, np.uint8))
    writer.release()
    demo = start_demo("--video", still)
    wait_until(lambda: len(left_over(tmp_path)) >= 4, 60.0, "the children")
    return demo


def test_an_interrupt_in_the_middle_keeps_what_there_is(long_demo, tmp_path):
    long_demo.wait_for("a field of view of 60 degrees is assumed", 120.0)
    assert long_demo.stop(60.0) == 0
    assert (tmp_path / "demo_output" / "overlay.mp4").is_file()
    assert "latency   image stamp to received skeleton" in long_demo.output
    assert left_over(tmp_path) == []


def test_an_interrupt_before_anything_plays_leaves_no_process(long_demo, tmp_path):
    assert long_demo.stop(60.0) == 1
    assert "demo: interrupted" in long_demo.output and "Traceback" not in long_demo.output
    assert left_over(tmp_path) == []


def test_a_killed_demo_leaves_no_process(long_demo, wait_until, tmp_path):
    os.kill(long_demo.pid, signal.SIGKILL)
    wait_until(lambda: left_over(tmp_path) == [], 10.0, "the children's end")
