# SPDX-License-Identifier: Apache-2.0
"""The main job, end to end: a camera's topics, digit_node and a consumer as three processes.

    python -m digit_ros.demo [--image F | --video F | --camera N] [--output demo_output]

Plays the bundled clip unless told otherwise, leaves overlay.mp4 and contact_sheet.png, and prints
what was sent, processed and how late it arrived.
"""

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_prefix, get_package_share_directory

from digit_ros import fastdds
from digit_ros.children import Child
from digit_ros.demo.consumer import REPORT, SHEET, VIDEO
from digit_ros.domain import reserve_domain

#: Assumed where a user's own pictures come without intrinsics.
HFOV_DEG = 60.0
_PICTURE_COUNT, _CAMERA_COUNT = 30, 300
_START_LIMIT_S = 120.0
_FILMING_LIMIT_S = 300.0
#: The last image is answered and a last diagnostics message comes within this time.
_SETTLE_S = 2.5


class DemoFailed(Exception):
    """The demo cannot go on; the text is one sentence."""


def main() -> int:
    """Run the demo; 1 with one sentence when a part of it fails."""
    arguments = _arguments()
    enough = _enough()
    try:
        player = _player_parameters(arguments)
        print(_run(player, arguments.output, arguments.weights, enough))
    except DemoFailed as failure:
        print(f"demo: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _enough() -> threading.Event:
    """Set when the user has seen enough; who says so twice ends everything at once.

    An exception would do harm here: one that comes while a child is started is lost by Python.
    """
    enough = threading.Event()

    def on_signal(_number: int, _frame: object) -> None:
        if enough.is_set():
            raise KeyboardInterrupt
        print("demo: interrupted, writing what there is", file=sys.stderr)
        enough.set()

    # A terminal that closes, or a job that is cancelled, ends us as Ctrl-C does.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    return enough


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m digit_ros.demo",
        description="Play a camera's topics, run digit_node on them, film what it finds.",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--image", type=Path, help="a picture in place of the bundled clip")
    source.add_argument("--video", type=Path, help="a video in place of the bundled clip")
    source.add_argument("--camera", type=int, help="index of a camera, 10 s or until Ctrl-C")
    parser.add_argument("--output", type=Path, default=Path("demo_output"), help="folder to write")
    parser.add_argument("--weights", type=Path, help="weights file in place of the bundled one")
    return parser.parse_args()


def _player_parameters(arguments: argparse.Namespace) -> dict[str, str]:
    """What player_node is told, for each kind of source."""
    if arguments.camera is not None:
        return {"source": str(arguments.camera), "count": str(_CAMERA_COUNT)}
    if arguments.image is not None:
        path = _existing(arguments.image)
        return {"source": _quoted(path), "loop": "true", "count": str(_PICTURE_COUNT)}
    clip = Path(get_package_share_directory("digit_ros")) / "clips" / "two_hands.mp4"
    return {"source": _quoted(_existing(arguments.video or clip))}


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise DemoFailed(f"{path}: no such file")
    return path.absolute()


def _quoted(path: Path) -> str:
    # The value is read as YAML; JSON's quotes keep a path such as 0.mp4 a text.
    return json.dumps(str(path))


def _run(
    player: dict[str, str], output: Path, weights: Path | None, enough: threading.Event
) -> str:
    """Play the source through the topics; the printed summary."""
    (output / REPORT).unlink(missing_ok=True)
    environment = _environment()
    children: list[Child] = []
    try:
        consumer = _start(children, "consumer", _consumer_command(output), environment)
        node = _start(children, "digit_node", _node_command(weights), environment)
        source = _start(children, "player", _player_command(player), environment)
        _play(source, [node, consumer], enough)
        source.end()
        node.end()
        consumer.end(_FILMING_LIMIT_S)
        return _summary(source, output)
    finally:
        for child in children:
            child.kill()


def _start(
    children: list[Child], name: str, command: list[str], environment: dict[str, str]
) -> Child:
    children.append(Child(name, command, environment))
    return children[-1]


def _play(source: Child, others: list[Child], enough: threading.Event) -> None:
    """Wait until the source has been played, or the user has seen enough."""
    while source.code is None and not enough.wait(0.05):
        _check(others)
    if enough.is_set():
        return
    _check([source, *others])
    enough.wait(_SETTLE_S)
    _check(others)


def _check(children: list[Child]) -> None:
    for child in children:
        if child.code not in (None, 0):
            raise DemoFailed(f"{child.name} ended early: {child.last_words()}")


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
    fastdds.use_profile(environment)
    environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    environment["ROS_DOMAIN_ID"] = str(reserve_domain())
    return environment


def _executable(name: str) -> str:
    return str(Path(get_package_prefix("digit_ros")) / "lib" / "digit_ros" / name)


def _with_parameters(name: str, parameters: dict[str, str]) -> list[str]:
    command = [_executable(name), "--ros-args"]
    for parameter, value in parameters.items():
        command += ["-p", f"{parameter}:={value}"]
    return command


def _node_command(weights: Path | None) -> list[str]:
    parameters = {"fallback_hfov_deg": str(HFOV_DEG)}
    if weights is not None:
        parameters["weights"] = _quoted(weights.absolute())
    return _with_parameters("digit_node", parameters)


def _player_command(parameters: dict[str, str]) -> list[str]:
    # The node, and the consumer once it hears the node: then nothing that is sent is missed.
    waiting = {"wait_for_subscriber_s": str(_START_LIMIT_S), "subscribers": "2"}
    return _with_parameters("player_node", {**parameters, **waiting})


def _consumer_command(output: Path) -> list[str]:
    return [sys.executable, "-m", "digit_ros.demo.consumer", "--output", str(output)]


def _report(output: Path) -> dict[str, Any]:
    """What the consumer received; it was ended before it could write when there is none."""
    path = output / REPORT
    report = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"skeletons": 0}
    if report["skeletons"] < 2:
        raise DemoFailed("too few images were answered to measure anything")
    return report


def _summary(source: Child, output: Path) -> str:
    report = _report(output)
    node = report["node"]
    said = source.said(r"(\d+) images")
    sent = int(said[1]) if said else report["images"]
    rows = {
        "frames": f"{sent} sent, {report['skeletons']} processed,"
        f" {sent - report['skeletons']} dropped for newer ones",
        "rate": f"{report['rate_hz']:.1f} Hz processed of {report['image_rate_hz']:.1f} Hz sent",
        "latency": f"image stamp to received skeleton: median {report['latency_median_ms']:.1f} ms,"
        f" p99 {report['latency_p99_ms']:.1f} ms",
        "received": f"{report['skeletons']} skeletons, {report['transforms']} wrist frames on /tf,"
        f" {report['segmentations']} segmentations",
        "device": node.get("device", "?"),
        "weights": f"{node.get('weights', '?')} ({node.get('model', '?')})",
        "written": f"{output / VIDEO}, {output / SHEET}",
    }
    return "\n".join(f"{name:<9} {text}" for name, text in rows.items())


if __name__ == "__main__":
    sys.exit(main())
