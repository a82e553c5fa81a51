# SPDX-License-Identifier: Apache-2.0
"""The page in the browser: real topics in, a real server, and what it holds read back."""

import importlib.util
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from digit_core.hands import Intrinsics
from digit_ros.images import image_from_array
from digit_ros.messages import two_hand_skeleton
from digit_ros.msg import TwoHandSkeleton
from digit_ros.view.__main__ import main

needs_rerun = pytest.mark.skipif(
    importlib.util.find_spec("rerun") is None,
    reason="rerun is not installed; pip install -r requirements/view.txt",
)


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def test_without_rerun_it_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "rerun", None)  # as an import finds it where it is missing
    for name in ("digit_ros.view.scene", "digit_ros.view.listener"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert main([]) == 1
    assert capsys.readouterr().err == "view: rerun is not installed: pip install rerun-sdk\n"


@needs_rerun
def test_a_port_that_is_taken_is_one_sentence(start_process):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        process = start_process("python", "-m", "digit_ros.view", "--port", port)
        assert process.wait() == 1
    assert process.output.startswith(f"view: 127.0.0.1:{port} cannot be served at: Address already")
    assert len(process.output.strip().splitlines()) == 1


@needs_rerun
def test_interrupted_it_ends_without_a_word(start_process):
    port, data_port = free_ports(2)
    ports = ["--port", port, "--data-port", data_port]
    process = start_process("python", "-m", "digit_ros.view", *ports)
    process.wait_for("in a browser")
    assert process.stop() == 0
    assert len(process.output.strip().splitlines()) == 1 and not _is_served(port)


@needs_rerun
def test_topics_reach_the_page_on_this_machine_alone(
    start_process, ears, two_hands, tmp_path, wait_until
):
    port, data_port = free_ports(2)
    ports = ["--port", port, "--data-port", data_port]
    process = start_process("python", "-m", "digit_ros.view", *ports)
    address = process.wait_for(r"open (http://127\.0\.0\.1:\S+) in a browser").group(1)
    page = urllib.request.urlopen(address, timeout=10).read()
    assert b"rerun" in page.lower()
    _check_not_open_to_others((port, data_port))
    with subprocess.Popen(
        [sys.executable, "-m", "rerun", f"rerun+http://127.0.0.1:{data_port}/proxy"]
        + ["--save", str(tmp_path / "seen.rrd")]
    ) as reader:
        _publish(ears, two_hands)
        time.sleep(2.0)
        reader.terminate()
    seen = subprocess.run(
        [sys.executable, "-m", "rerun", "rrd", "print", "-vv", str(tmp_path / "seen.rrd")],
        capture_output=True,
        text=True,
    ).stdout
    for path in ("camera/image", "camera/parts", "camera/left/bones", "hands/right/joints"):
        assert path in seen
    process._popen.kill()  # its server goes too
    process.wait()
    wait_until(lambda: not _is_served(port), 10.0, "the server's end")


def _publish(ears, two_hands):
    skeletons = ears.publisher(TwoHandSkeleton, "skeleton")
    images, parts = ears.publisher(Image, "image"), ears.publisher(Image, "segmentation")
    for _ in range(10):
        header = Header(frame_id="eye", stamp=ears.node.get_clock().now().to_msg())
        picture = np.full((120, 160, 3), 90, np.uint8)
        images.publish(image_from_array(picture, "rgb8", header))
        parts.publish(image_from_array(picture[:, :, 0] // 10, "mono8", header))
        skeletons.publish(two_hand_skeleton(two_hands, header, Intrinsics.CAMERA_INFO))
        ears.spin_for(0.1)


def _is_served(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _check_not_open_to_others(ports):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing; tells which address others see
        outside = probe.getsockname()[0]
    for port in ports:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((outside, port), timeout=5).close()
