# SPDX-License-Identifier: Apache-2.0
"""The topics of a running node in a browser: `python -m digit_ros.view`, for who has no RViz.

Shows image, parts, 3D skeletons and latency by Rerun. Serves this machine alone unless told
otherwise; subscribing makes the node paint what is shown.
"""

import argparse
import sys

import rclpy
from rclpy.executors import ExternalShutdownException


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted; 1 with one sentence when it cannot."""
    given, ros_arguments = _parser().parse_known_args(arguments)
    try:
        from digit_ros.view.scene import CannotServe, Scene
    except ModuleNotFoundError as error:
        if error.name != "rerun":
            raise
        print("view: rerun is not installed: pip install rerun-sdk", file=sys.stderr)
        return 1
    from digit_ros.view.listener import ViewNode

    try:
        scene = Scene(given.bind, given.port, given.data_port)
    except CannotServe as error:
        print(f"view: {error}", file=sys.stderr)
        return 1
    try:
        rclpy.init(args=ros_arguments)
        node = ViewNode(scene)
        print(f"view: open {scene.address} in a browser; Ctrl-C ends it", flush=True)
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()
        scene.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m digit_ros.view",
        description="Show image, parts, skeletons and latency in a browser.",
        epilog="Topics are remapped as any node's: --ros-args -r image:=/camera/image_raw",
    )
    add = parser.add_argument
    add("--bind", default="127.0.0.1", help="address to serve at; 0.0.0.0 is for all the network")
    add("--port", type=int, default=9090, help="of the page")
    add("--data-port", type=int, default=9876, help="of its data")
    return parser


if __name__ == "__main__":
    sys.exit(main())
