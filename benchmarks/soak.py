# SPDX-License-Identifier: Apache-2.0
"""A long run of digit_node: does memory, threads, open files or latency grow?

    ./scripts/ros-env python -m benchmarks.soak [--frames 100000] [--json OUT]

A camera in this process sends small pictures to a digit_node in its own, two on their way at a
time, as fast as they are answered: the bundled clip's, and for a tenth of each round grey ones, in
which hands are lost and searched for. Somebody listens to the segmentation in every other round.
The node is looked at every so often through /proc. Exit code 1 if anything grew.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import rclpy
import torch
from ament_index_python.packages import get_package_prefix
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from benchmarks.hardware import hardware
from digit_ros import fastdds
from digit_ros.domain import reserve_domain
from digit_ros.images import image_from_array
from digit_ros.msg import TwoHandSkeleton

CLIP = Path(__file__).resolve().parents[1] / "clips" / "two_hands.mp4"
WIDTH, HEIGHT = 320, 240
FOCAL_PX = 290.0
#: Pictures of one round: all of the clip's, then a tenth as many grey ones.
GREY_SHARE = 0.1
IN_FLIGHT = 2
LOST_AFTER_S = 5.0
START_S, STOP_S = 120.0, 20.0
#: The first part fills caches and pools.
WARM_UP_SHARE = 0.1
MOST_GROWTH, MOST_DRIFT = 0.02, 0.10
#: Pictures that are neither answered nor dropped for a newer one.
MOST_LOST = 10


@dataclass(frozen=True)
class Sample:
    """The node after so many frames, and the latency since the sample before.

    A tenth of the answers came within `quick_ms`: what a busy machine changes least.
    """

    frames: int
    seconds: float
    resident_mb: float
    threads: int
    files: int
    median_ms: float
    quick_ms: float


class Camera(Node):
    """Keeps `IN_FLIGHT` pictures on their way."""

    def __init__(self) -> None:
        super().__init__("camera")
        self._images = self.create_publisher(Image, "image", QoSProfile(depth=5))
        self._info = self.create_publisher(CameraInfo, "camera_info", QoSProfile(depth=5))
        self.create_subscription(TwoHandSkeleton, "skeleton", self._on_skeleton, 50)
        self._segmentation = None
        self._pictures = _pictures()
        self._waiting: dict[int, float] = {}
        self.latencies_ms: list[float] = []
        self.sent = self.answered = self.dropped = self.lost = self.hands = self.parts = 0

    @property
    def ready(self) -> bool:
        """Whether the node listens."""
        return self._images.get_subscription_count() > 0

    def _on_skeleton(self, skeleton: TwoHandSkeleton) -> None:
        stamp = skeleton.header.stamp
        sent_s = self._waiting.pop(stamp.sec * 10**9 + stamp.nanosec, None)
        if sent_s is None:
            return
        # Of two that wait the node takes the newer one; the other is dropped, as it should be.
        older = [s for s, then_s in self._waiting.items() if then_s < sent_s]
        for stamp_ns in older:
            del self._waiting[stamp_ns]
        self.dropped += len(older)
        self.answered += 1
        self.latencies_ms.append(1e3 * (time.monotonic() - sent_s))
        self.hands += skeleton.left.present + skeleton.right.present

    def _on_segmentation(self, image: Image) -> None:
        self.parts += 1

    def step(self) -> None:
        """Send what may be sent, take in what came."""
        now_s = time.monotonic()
        for stamp in [s for s, sent_s in self._waiting.items() if now_s - sent_s > LOST_AFTER_S]:
            del self._waiting[stamp]
            self.lost += 1
        if len(self._waiting) < IN_FLIGHT:
            self._send()
        rclpy.spin_once(self, timeout_sec=0.0 if len(self._waiting) < IN_FLIGHT else 0.05)

    def _send(self) -> None:
        round_, number = divmod(self.sent, len(self._pictures))
        if number == 0:
            self._listen(round_ % 2 == 1)
        message = self._pictures[number]
        message.header.stamp = self.get_clock().now().to_msg()
        stamp = message.header.stamp
        self._waiting[stamp.sec * 10**9 + stamp.nanosec] = time.monotonic()
        self._info.publish(_camera_info(message.header))
        self._images.publish(message)
        self.sent += 1

    def _listen(self, wanted: bool) -> None:
        if self._segmentation is not None:
            self.destroy_subscription(self._segmentation)
            self._segmentation = None
        if wanted:
            self._segmentation = self.create_subscription(
                Image, "segmentation", self._on_segmentation, 1
            )


def _pictures() -> list[Image]:
    video, messages = cv2.VideoCapture(str(CLIP)), []
    header = Header(frame_id="camera_optical_frame")
    while (read := video.read())[0]:
        rgb = cv2.cvtColor(cv2.resize(read[1], (WIDTH, HEIGHT)), cv2.COLOR_BGR2RGB)
        messages.append(image_from_array(rgb, "rgb8", header))
    grey = Image(header=header, height=HEIGHT, width=WIDTH, encoding="rgb8", step=3 * WIDTH)
    grey.data = array("B", [110]) * (3 * WIDTH * HEIGHT)
    return messages + [grey] * round(GREY_SHARE * len(messages))


def _camera_info(header: Header) -> CameraInfo:
    x, y = (WIDTH - 1) / 2, (HEIGHT - 1) / 2
    k = [FOCAL_PX, 0.0, x, 0.0, FOCAL_PX, y, 0.0, 0.0, 1.0]
    p = [FOCAL_PX, 0.0, x, 0.0, 0.0, FOCAL_PX, y, 0.0, 0.0, 0.0, 1.0, 0.0]
    return CameraInfo(header=header, width=WIDTH, height=HEIGHT, k=k, p=p)


def size_of(pid: int) -> tuple[float, int, int]:
    """Resident memory in MB, threads, and open files of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines)
    files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return float(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), files


def run(camera: Camera, pid: int, frames: int, every: int) -> Iterator[Sample]:
    """Send so many frames; a sample each `every` answers."""
    start_s = time.monotonic()
    while camera.answered < frames and camera.lost <= MOST_LOST:
        camera.step()
        if len(camera.latencies_ms) >= every:
            quick, middle = np.percentile(camera.latencies_ms, (10, 50)).tolist()
            camera.latencies_ms = []
            passed_s = time.monotonic() - start_s
            yield Sample(camera.answered, passed_s, *size_of(pid), middle, quick)


def verdict(samples: list[Sample]) -> dict[str, float]:
    """Last fifth over the first fifth after the warm-up, as ratios of medians less one."""
    kept = samples[round(WARM_UP_SHARE * len(samples)) :]
    fifth = max(len(kept) // 5, 1)
    first, last = kept[:fifth], kept[-fifth:]

    def growth(name: str) -> float:
        before, after = (median(getattr(s, name) for s in part) for part in (first, last))
        return after / before - 1

    return {name: growth(name) for name in ("resident_mb", "threads", "files", "quick_ms")}


def grew(growth: dict[str, float]) -> list[str]:
    """What grew more than it may."""
    limits = {"resident_mb": MOST_GROWTH, "threads": 0.0, "files": 0.0, "quick_ms": MOST_DRIFT}
    return [name for name, most in limits.items() if growth[name] > most]


def soak(frames: int, every: int) -> tuple[Camera, list[Sample]]:
    """Start a node, send it the frames, end it."""
    node = Path(get_package_prefix("digit_ros")) / "lib" / "digit_ros" / "digit_node"
    process = subprocess.Popen([node], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    camera = Camera()
    try:
        deadline = time.monotonic() + START_S
        while not camera.ready:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("soak: digit_node did not start")
            rclpy.spin_once(camera, timeout_sec=0.1)
        samples = []
        for sample in run(camera, process.pid, frames, every):
            samples.append(sample)
            rate = sample.frames / sample.seconds
            print(
                f"{sample.frames} frames, {rate:.1f}/s: {sample.resident_mb:.1f} MB,"
                f" {sample.threads} threads, {sample.files} files, {sample.median_ms:.1f} ms",
                flush=True,
            )
    finally:
        camera.destroy_node()
        process.terminate()
        process.wait(STOP_S)
    return camera, samples


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--samples", type=int, default=100, help="how often the node is looked at")
    parser.add_argument("--json", type=Path, help="file for the figures")
    o = parser.parse_args()
    if not 10 <= o.samples <= o.frames:
        parser.error("--samples: from 10 to as many as frames")
    fastdds.use_profile()
    os.environ["ROS_DOMAIN_ID"] = str(reserve_domain())
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    rclpy.init()
    camera, samples = soak(o.frames, o.frames // o.samples)
    growth = verdict(samples)
    counts = {
        name: getattr(camera, name)
        for name in ("sent", "answered", "dropped", "lost", "hands", "parts")
    }
    print(counts)
    print("last fifth over first: " + ", ".join(f"{k} {100 * v:+.1f} %" for k, v in growth.items()))
    if o.json:
        report = {"hardware": hardware(torch.device("cpu")), **counts, "growth": growth}
        report["samples"] = [asdict(sample) for sample in samples]
        o.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if camera.lost > MOST_LOST:
        print(f"soak: {camera.lost} pictures were not answered", file=sys.stderr)
        return 1
    if faults := grew(growth):
        print(f"soak: grew: {', '.join(faults)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
