# SPDX-License-Identifier: Apache-2.0
"""How digit_node's cost grows with cameras in one node and with the images' size.

    ./scripts/ros-env python -m benchmarks.scale_node [--seconds 10] [--json OUT]

Cameras: 1, 2, 4 and 8 of 640x480, raw, that publish at the same instants: at 2 Hz, where every
image is answered, and at 30 Hz, where the newest is. Sizes: one camera at 5 Hz, raw, beside the
empty relay of `benchmarks.node_latency`. Publisher and listener are one process, the node another,
on the same machine. Warm-up is played and not counted; latency is from stamp to skeleton received.
The processor time of an answer, unlike latency, hardly depends on what else the machine does. Linux
only.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import rclpy
import torch
from ament_index_python.packages import get_package_prefix
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from benchmarks.clip import CLIP
from benchmarks.hardware import hardware
from digit_core.media import Media
from digit_ros import fastdds
from digit_ros.domain import reserve_domain
from digit_ros.images import image_from_array
from digit_ros.msg import TwoHandSkeleton

CAMERAS = (1, 2, 4, 8)
SLACK_HZ, OVERLOAD_HZ, SIZES_HZ = 2.0, 30.0, 5.0
SIZE = (640, 480)
SIZES = ((320, 240), (640, 480), (1280, 720), (1920, 1080))
PICTURES = 16
WARM_UP_S, START_S, SETTLE_S, STOP_S = 2.0, 60.0, 1.5, 20.0


class Rig(Node):
    """Several cameras in step, and what their skeletons say."""

    def __init__(self, names: list[str], size: tuple[int, int]) -> None:
        super().__init__("rig")
        qos = QoSProfile(depth=1)
        self.images = [self.create_publisher(Image, f"{name}/image", qos) for name in names]
        self.latencies_ms: list[float] = []
        self.estimate_ms = float("nan")
        for name in names:
            self.create_subscription(TwoHandSkeleton, f"{name}/skeleton", self._heard, 50)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._told, 10)
        self._messages = messages(size)

    def _heard(self, skeleton: TwoHandSkeleton) -> None:
        stamp = skeleton.header.stamp
        sent_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
        self.latencies_ms.append(1e-6 * (time.time_ns() - sent_ns))

    def _told(self, message: DiagnosticArray) -> None:
        rows = {row.key: row.value for row in message.status[0].values}
        self.estimate_ms = float(rows.get("estimate p50 (ms)", "nan"))

    def spin_until(self, when_s: float) -> None:
        """Take in messages until then."""
        while (left := when_s - time.monotonic()) > 0:
            rclpy.spin_once(self, timeout_sec=left)

    def play(self, rate_hz: float, seconds: float) -> None:
        """Publish on all cameras at once, for so long."""
        self.latencies_ms = []
        start = due = time.monotonic()
        number = 0
        while due < start + seconds:
            self.spin_until(due)
            stamp = self.get_clock().now().to_msg()
            for k, camera in enumerate(self.images):
                message = self._messages[(number + 5 * k) % len(self._messages)]
                message.header.stamp = stamp
                camera.publish(message)
            rclpy.spin_once(self, timeout_sec=0.0)
            due, number = max(due + 1 / rate_hz, time.monotonic() - 1 / rate_hz), number + 1
        self.spin_until(time.monotonic() + SETTLE_S)


def messages(size: tuple[int, int]) -> list[Image]:
    """Some of the clip's pictures, (width, height)."""
    found = []
    for frame, _ in zip(Media.open(CLIP).frames(), range(PICTURES), strict=False):
        picture = cv2.resize(np.asarray(frame), size)
        found.append(image_from_array(picture, "rgb8", Header(frame_id="camera")))
    return found


@contextmanager
def answering(command: list[str], names: list[str], size: tuple[int, int]) -> Iterator:
    """A rig whose images the command's process answers, and that process's id."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    rig = Rig(names, size)
    try:
        deadline = time.monotonic() + START_S
        while not all(camera.get_subscription_count() for camera in rig.images):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{' '.join(command)} did not start")
            rclpy.spin_once(rig, timeout_sec=0.05)
        yield rig, process.pid
    finally:
        rig.destroy_node()
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()


def digit_node(cameras: list[str]) -> list[str]:
    """The command of a node for these cameras; at 2 Hz silence is no loss of a camera."""
    given = {"cameras": cameras, "fallback_hfov_deg": 60.0, "timeout_s": 5.0}
    program = Path(get_package_prefix("digit_ros")) / "lib" / "digit_ros" / "digit_node"
    words = [word for name, value in given.items() for word in ("-p", f"{name}:={value}")]
    return [str(program), "--ros-args", *words]


def cameras_row(count: int, seconds: float) -> dict:
    """Latency with slack, answers under overload, memory; of a node that is started for it."""
    names, row = [f"camera_{k}" for k in range(count)], {"cameras": count}
    with answering(digit_node(names), names, SIZE) as (rig, pid):
        for name, rate_hz in (("slack", SLACK_HZ), ("overload", OVERLOAD_HZ)):
            row[name] = figures(rig, pid, rate_hz, seconds)
    return row


def size_row(size: tuple[int, int], seconds: float) -> dict:
    """Relay and node at one size."""
    relay = [sys.executable, "-m", "benchmarks.node_latency", "--relay", "raw"]
    row: dict = {"size": f"{size[0]}x{size[1]}"}
    for name, command in (("relay", relay), ("node", digit_node([""]))):
        with answering(command, [""], size) as (rig, pid):
            row[name] = figures(rig, pid, SIZES_HZ, seconds)
    return row


def figures(rig: Rig, pid: int, rate_hz: float, seconds: float) -> dict:
    """What one rate gives, after a warm-up."""
    rig.play(rate_hz, WARM_UP_S)
    before_s = processor_s(pid)
    rig.play(rate_hz, seconds)
    busy_s = processor_s(pid) - before_s
    if not rig.latencies_ms:
        raise SystemExit("no image was answered")
    p50, p99 = np.percentile(rig.latencies_ms, (50, 99)).tolist()
    answers = len(rig.latencies_ms)
    return {
        "rate_hz": rate_hz,
        "answers_a_second": answers / seconds,
        "p50_ms": p50,
        "p99_ms": p99,
        "estimate_p50_ms": rig.estimate_ms,
        "cpu_ms_an_answer": 1e3 * busy_s / answers,
        "resident_mb": resident_mb(pid),
    }


def processor_s(pid: int) -> float:
    """Processor time of a process so far. Linux only, as the next."""
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Memory that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def show_cameras(row: dict) -> None:
    """One line."""
    slack, full = row["slack"], row["overload"]
    print(
        f"{row['cameras']} cameras: 2 Hz: {slack['answers_a_second']:.1f} answers/s, p50 "
        f"{slack['p50_ms']:.0f} p99 {slack['p99_ms']:.0f} ms, estimator "
        f"{slack['estimate_p50_ms']:.0f} ms a batch, {slack['cpu_ms_an_answer']:.0f} ms of "
        f"processor an answer | 30 Hz: {full['answers_a_second']:.1f} "
        f"answers/s, p50 {full['p50_ms']:.0f} p99 {full['p99_ms']:.0f} ms, "
        f"{full['cpu_ms_an_answer']:.0f} ms of processor an answer | "
        f"{full['resident_mb']:.0f} MB",
        flush=True,
    )


def show_size(row: dict) -> None:
    """One line."""
    relay, node = row["relay"], row["node"]
    print(
        f"{row['size']}: relay p50 {relay['p50_ms']:.1f} ms, {relay['cpu_ms_an_answer']:.1f} ms of "
        f"processor an answer | node p50 {node['p50_ms']:.1f} p99 {node['p99_ms']:.1f} ms, "
        f"estimator {node['estimate_p50_ms']:.1f}, {node['cpu_ms_an_answer']:.1f} of processor",
        flush=True,
    )


def main() -> None:
    """Measure, print, write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--json", type=Path, help="file for the figures")
    o = parser.parse_args()
    fastdds.use_profile()
    os.environ["ROS_DOMAIN_ID"] = str(reserve_domain())
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    rclpy.init()
    about = {**hardware(torch.device("cpu")), "warm_up_s": WARM_UP_S}
    print(about, flush=True)
    report: dict = {"hardware": about, "cameras": [], "sizes": []}
    for count in CAMERAS:
        report["cameras"].append(cameras_row(count, o.seconds))
        show_cameras(report["cameras"][-1])
    for size in SIZES:
        report["sizes"].append(size_row(size, o.seconds))
        show_size(report["sizes"][-1])
    if o.json:
        o.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
