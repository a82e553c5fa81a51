# SPDX-License-Identifier: Apache-2.0
"""From image stamp to skeleton received in another process, beside a relay node that does nothing.

    ./scripts/ros-env python -m benchmarks.node_latency [--seconds 10] [--rounds 3] [--json OUT]

For raw and compressed images of two sizes at 30 Hz, and raw ones at 200 Hz (overload), on the
bundled clip's pictures, in turns: the relay (below, the same file with --relay), digit_node, and
its estimator in a process without ROS at the same rate (--alone). "Added" is the node's latency
without its estimator's own time, minus the relay's; all medians, then the median of the rounds.
Of what is added "wait" is from the message's arrival in Python until the worker takes it up: all of
the frame before where the estimator takes longer than a frame lasts.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from array import array
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import rclpy
import torch
from ament_index_python.packages import get_package_prefix
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from benchmarks.hardware import hardware
from digit_core import Camera as Intrinsics
from digit_core import DigitEstimator
from digit_ros import fastdds
from digit_ros.domain import reserve_domain
from digit_ros.images import image_from_array
from digit_ros.msg import TwoHandSkeleton

CLIP = Path(__file__).resolve().parents[1] / "clips" / "two_hands.mp4"
#: (width, height), transport, rate in Hz.
CASES = (
    ((640, 480), "raw", 30.0),
    ((640, 480), "compressed", 30.0),
    ((1280, 720), "raw", 30.0),
    ((1280, 720), "compressed", 30.0),
    ((640, 480), "raw", 200.0),
)
_TOPICS = {"raw": ("image", Image), "compressed": ("image/compressed", CompressedImage)}
#: Horizontal field of view that stands in for CameraInfo.
_HFOV_DEG = 60.0
_PICTURES, _WARM_UP_S, _START_S = 20, 2.0, 60.0
#: Rows of the node's diagnostics; "total" is the estimator's own time, of which crop, network,
#: decode and lift are parts; "estimate" is all from the picture to the message.
_STAGES = ("wait", "picture", "crop", "network", "decode", "lift", "total", "estimate", "publish")
_STAGES += ("stamp to answer",)


class Relay(Node):
    """Answers every image with an empty skeleton of its header; decodes nothing."""

    def __init__(self, transport: str) -> None:
        super().__init__("relay")
        topic, kind = _TOPICS[transport]
        self._skeleton = self.create_publisher(TwoHandSkeleton, "skeleton", 5)
        self.create_subscription(kind, topic, self._on_image, QoSProfile(depth=1))

    def _on_image(self, image) -> None:
        self._skeleton.publish(TwoHandSkeleton(header=image.header))


@dataclass
class Heard:
    """What came back."""

    latencies_ms: list[float] = field(default_factory=list)
    rows: dict[str, str] = field(default_factory=dict)


class Camera(Node):
    """Publishes pictures at a rate and notes when their skeletons arrive."""

    def __init__(self, size: tuple[int, int], transport: str) -> None:
        super().__init__("camera")
        topic, kind = _TOPICS[transport]
        self.images = self.create_publisher(kind, topic, QoSProfile(depth=1))
        self.messages = _messages(size, transport)
        self.heard = Heard()
        # `rclpy.spin_once` would add the node to an executor and take it away each time.
        self.ears = SingleThreadedExecutor()
        self.ears.add_node(self)
        self.create_subscription(TwoHandSkeleton, "skeleton", self._on_skeleton, 50)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def _on_skeleton(self, skeleton: TwoHandSkeleton) -> None:
        stamp = skeleton.header.stamp
        then_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
        self.heard.latencies_ms.append(1e-6 * (time.time_ns() - then_ns))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.heard.rows = {row.key: row.value for row in message.status[0].values}

    def play(self, rate_hz: float, seconds: float) -> Heard:
        """Publish for so long; what was heard meanwhile."""
        self.heard = Heard()
        due, end, number = time.monotonic(), time.monotonic() + seconds, 0
        while due < end:
            while (left := due - time.monotonic()) > 0:
                self.ears.spin_once(left)
            message = self.messages[number % len(self.messages)]
            message.header.stamp = self.get_clock().now().to_msg()
            self.images.publish(message)
            self.ears.spin_once(0.0)
            due, number = max(due + 1 / rate_hz, time.monotonic() - 1 / rate_hz), number + 1
        settled = time.monotonic() + 1.5
        while time.monotonic() < settled:
            self.ears.spin_once(0.05)
        return self.heard


def _pictures(size: tuple[int, int]) -> list[np.ndarray]:
    """Some of the clip's pictures at this size, BGR."""
    video = cv2.VideoCapture(str(CLIP))
    return [cv2.resize(video.read()[1], size) for _ in range(_PICTURES)]


def _messages(size: tuple[int, int], transport: str) -> list:
    """The pictures as messages."""
    messages = []
    for picture in _pictures(size):
        header = Header(frame_id="camera_optical_frame")
        if transport == "raw":
            rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
            messages.append(image_from_array(rgb, "rgb8", header))
        else:
            data = cv2.imencode(".jpg", picture)[1].tobytes()
            messages.append(CompressedImage(header=header, format="jpeg", data=array("B", data)))
    return messages


def answered_by(command: list[str], size, transport: str, rate_hz: float, seconds: float) -> dict:
    """Latency through a node that is started for it."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    camera = Camera(size, transport)
    try:
        deadline = time.monotonic() + _START_S
        while not camera.images.get_subscription_count():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{command[0]} did not start")
            camera.ears.spin_once(0.05)
        camera.play(rate_hz, _WARM_UP_S)
        before_mb = _resident_mb(process.pid)
        heard = camera.play(rate_hz, seconds)
        grown_mb = _resident_mb(process.pid) - before_mb
    finally:
        camera.destroy_node()
        process.send_signal(signal.SIGINT)
        process.wait(20)
    return _figures(heard, grown_mb)


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _figures(heard: Heard, grown_mb: float) -> dict:
    if not heard.latencies_ms:
        raise SystemExit("no image was answered")
    p50, p90, p99 = np.percentile(heard.latencies_ms, (50, 90, 99)).tolist()
    figures = {"answers": len(heard.latencies_ms), "p50_ms": p50, "p90_ms": p90, "p99_ms": p99}
    figures["resident_grown_mb"] = grown_mb
    for stage in _STAGES:
        if f"{stage} p50 (ms)" in heard.rows:
            figures[f"{stage}_p50_ms"] = float(heard.rows[f"{stage} p50 (ms)"])
            figures[f"{stage}_p99_ms"] = float(heard.rows[f"{stage} p99 (ms)"])
    return figures


def alone(size: str, rate_hz: float, seconds: float) -> None:
    """Print the median time of a frame through the estimator, one every 1 / rate_hz."""
    width, height = (int(n) for n in size.split("x"))
    estimator = DigitEstimator.load()
    estimator.warm_up()
    track, camera = estimator.tracker(), Intrinsics.from_hfov(_HFOV_DEG, width, height)
    pictures = [cv2.cvtColor(one, cv2.COLOR_BGR2RGB) for one in _pictures((width, height))]
    times_ms: list[float] = []
    begin = due = time.monotonic()
    while due - begin < _WARM_UP_S + seconds:
        time.sleep(max(due - time.monotonic(), 0.0))
        hands = track(pictures[len(times_ms) % _PICTURES], camera, due)
        times_ms.append(hands.timings_ms["total"])
        due = max(due + 1 / rate_hz, time.monotonic())
    print(np.median(times_ms[len(times_ms) // 4 :]))


def measure(size: tuple[int, int], transport: str, rate_hz: float, seconds: float) -> dict:
    """One case, one round: relay, node and its estimator alone."""
    own = [sys.executable, "-m", "benchmarks.node_latency"]
    node = [str(Path(get_package_prefix("digit_ros")) / "lib" / "digit_ros" / "digit_node")]
    node += ["--ros-args", "-p", f"image_transport:={transport}"]
    node += ["-p", f"fallback_hfov_deg:={_HFOV_DEG}"]
    name, rate = f"{size[0]}x{size[1]}", str(rate_hz)
    row: dict = {"size": name, "transport": transport, "rate_hz": rate_hz}
    row["relay"] = answered_by([*own, "--relay", transport], size, transport, rate_hz, seconds)
    row["node"] = answered_by(node, size, transport, rate_hz, seconds)
    row["alone_p50_ms"] = float(
        subprocess.run(
            [*own, "--alone", name, rate, str(seconds)],
            env={"OMP_WAIT_POLICY": "PASSIVE", **os.environ},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
    )
    own_ms = row["node"]["p50_ms"] - row["node"]["total_p50_ms"]
    row["added_ms"] = own_ms - row["relay"]["p50_ms"]
    return row


def median_row(rows: list[dict]) -> dict:
    """The medians of the numbers of several rounds."""
    first = rows[0]
    return {key: _median([row[key] for row in rows]) for key in first}


def _median(values: list):
    if isinstance(values[0], dict):
        return median_row(values)
    return values[0] if isinstance(values[0], str) else float(np.median(values))


def run_relay(transport: str) -> None:
    """Be the relay until interrupted."""
    rclpy.init()
    try:
        rclpy.spin(Relay(transport))
    except KeyboardInterrupt:
        pass


def line(row: dict) -> str:
    """A case as one line."""
    node = row["node"]
    stages = ", ".join(f"{s} {node[f'{s}_p50_ms']:.2f}" for s in _STAGES if f"{s}_p50_ms" in node)
    return (
        f"{row['size']} {row['transport']} {row['rate_hz']:.0f} Hz:"
        f" relay {row['relay']['p50_ms']:.1f}, node {node['p50_ms']:.1f} (p90 {node['p90_ms']:.1f},"
        f" p99 {node['p99_ms']:.1f}), estimator {node['total_p50_ms']:.1f} (alone"
        f" {row['alone_p50_ms']:.1f}), added {row['added_ms']:.1f};"
        f" in the node {stages}; grown {node['resident_grown_mb']:.1f} MB"
    )


def main() -> None:
    """Measure every case, print a table, write JSON when asked."""
    parser = argparse.ArgumentParser(description="Latency of digit_node beside an empty relay.")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=1, help="of each case, in turns")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--relay", choices=sorted(_TOPICS), help=argparse.SUPPRESS)
    parser.add_argument("--alone", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    fastdds.use_profile()
    if arguments.relay:
        run_relay(arguments.relay)
        return
    if arguments.alone:
        size, rate_hz, seconds = arguments.alone
        alone(size, float(rate_hz), float(seconds))
        return
    os.environ["ROS_DOMAIN_ID"] = str(reserve_domain())
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    rclpy.init()
    rows = []
    print("medians, ms", flush=True)
    for case in CASES:
        rounds = [measure(*case, arguments.seconds) for _ in range(arguments.rounds)]
        rows.append(median_row(rounds))
        print(line(rows[-1]), flush=True)
    if arguments.json:
        about = {**hardware(torch.device("cpu")), "warm_up_s": _WARM_UP_S}
        report = {"hardware": about, "cases": rows}
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
