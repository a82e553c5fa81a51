# SPDX-License-Identifier: Apache-2.0
"""What is shown, by Rerun: a server for browsers, a process of its own, and what is sent to it."""

import os
import socket
import subprocess
import tempfile
import time
import urllib.parse
from pathlib import Path

import numpy as np
import rerun as rr
import rerun.blueprint as rrb
import rerun_cli

from digit_core.parts import LEFT_OFFSET, PALETTE, Part, label_names
from digit_core.skeleton import BONES, FINGERS, JOINT_NAMES
from digit_ros.children import Child
from digit_ros.messages import points_array
from digit_ros.msg import HandSkeleton, TwoHandSkeleton

_START_S = 20.0
_MEMORY = "512MiB"
#: Without a known depth hands are shown this far from the middle, metres, and this far away.
_ASIDE_M, _AWAY_M = 0.15, 0.6
_SIDES = ("left", "right")
_BONE_M, _JOINT_M = 0.003, 0.005


#: The 3D view's ground, and where it is seen from: to the right of the camera and above.
_GROUND = (34, 37, 44)
_EYE = rrb.EyeControls3D(
    position=(0.28, -0.22, 0.12), look_target=(0.0, 0.04, 0.5), eye_up=(0.0, -1.0, 0.0)
)
_LATENCY_MS = 200.0
_LAST = rrb.VisibleTimeRange(
    "stamp",
    start=rrb.TimeRangeBoundary.cursor_relative(seconds=-20.0),
    end=rrb.TimeRangeBoundary.cursor_relative(),
)


class CannotServe(Exception):
    """The page cannot be served; the text is one sentence."""


class Scene:
    """A page of four views.

    Attributes:
        address: of the page.
    """

    def __init__(self, bind: str, port: int, data_port: int) -> None:
        """Serve the page at `port` and its data at `data_port`.

        Raises:
            CannotServe: a port is taken, or the server does not come up.
        """
        for number in (port, data_port):
            _check_free(bind, number)
        self._server = _start_server(bind, port, data_port)
        # A browser elsewhere must reach the data too.
        host = "127.0.0.1" if bind == "127.0.0.1" else socket.gethostname()
        data = urllib.parse.quote(f"rerun+http://{host}:{data_port}/proxy", safe="")
        self.address = f"http://{host}:{port}/?url={data}"
        self._recording = rr.RecordingStream("digit")
        self._recording.connect_grpc(
            f"rerun+http://127.0.0.1:{data_port}/proxy", default_blueprint=_blueprint()
        )
        self._log_what_stays()

    def _log_what_stays(self) -> None:
        names = label_names()
        colors = [(*color, 170 if label else 0) for label, color in enumerate(PALETTE.tolist())]
        classes = [(i, name, colors[i]) for i, name in enumerate(names)]
        self._recording.log("camera", rr.AnnotationContext(classes), static=True)
        self._recording.log("hands", rr.ViewCoordinates.RDF, static=True)

    def show_image(self, picture: np.ndarray, stamp_s: float) -> None:
        """The camera's picture, (H, W, 3) uint8 RGB."""
        self._at(stamp_s)
        self._recording.log("camera/image", rr.Image(picture).compress(jpeg_quality=80))

    def show_parts(self, labels: np.ndarray, stamp_s: float) -> None:
        """Part labels over the picture, (H, W) uint8."""
        self._at(stamp_s)
        self._recording.log("camera/parts", rr.SegmentationImage(labels, draw_order=1.0))

    def show_hands(self, skeleton: TwoHandSkeleton, stamp_s: float) -> None:
        """Both skeletons, in the picture and in space."""
        self._at(stamp_s)
        for side in _SIDES:
            hand = getattr(skeleton, side)
            pixels = np.reshape(hand.pixels, (-1, 2))
            self._draw(f"camera/{side}", pixels, side, 1.5, 2.5)
            self._draw(f"hands/{side}", _places(hand, side), side, _BONE_M, _JOINT_M)

    def show_latency(self, milliseconds: dict[str, float], stamp_s: float) -> None:
        """One point of each curve, milliseconds by name."""
        self._at(stamp_s)
        for name, value in milliseconds.items():
            self._recording.log(["latency", name], rr.Scalars(value))

    def close(self) -> None:
        """End the server."""
        self._recording.disconnect()
        self._server.end()

    def _at(self, stamp_s: float) -> None:
        self._recording.set_time("stamp", timestamp=stamp_s)

    def _draw(self, path: str, joints: np.ndarray, side: str, bone: float, joint: float) -> None:
        """Joints (21, 2) or (21, 3) and their bones; those that are NaN are left out."""
        known = np.isfinite(joints).all(axis=1)
        bones = [(a, b) for a, b in BONES if known[a] and known[b]]
        if not bones:
            self._recording.log(path, rr.Clear(recursive=True))
            return
        colors = _colors(side)
        lines, points = (
            (rr.LineStrips2D, rr.Points2D)
            if joints.shape[1] == 2
            else (rr.LineStrips3D, rr.Points3D)
        )
        strips = [joints[[a, b]] for a, b in bones]
        ends = colors[[b for _, b in bones]]
        self._recording.log(f"{path}/bones", lines(strips, colors=ends, radii=bone))
        self._recording.log(
            f"{path}/joints", points(joints[known], colors=colors[known], radii=joint)
        )


def _places(hand: HandSkeleton, side: str) -> np.ndarray:
    """(21, 3) metres, camera frame; beside each other where the depth is unknown."""
    places = points_array(hand.positions)
    if hand.present and not np.isfinite(places).any():
        aside = _ASIDE_M if side == "left" else -_ASIDE_M
        return points_array(hand.relative) + (aside, 0.0, _AWAY_M)
    return places


def _colors(side: str) -> np.ndarray:
    """(21, 3) of the joints: the colours of the parts that they belong to."""
    offset = LEFT_OFFSET if side == "left" else 0
    tips = {f: PALETTE[Part[f"{f.upper()}_DISTAL"] + offset] for f in FINGERS}
    palm = PALETTE[Part.PALM + offset]
    return np.array([tips.get(name.split("_")[0], palm) for name in JOINT_NAMES])


def _blueprint() -> rrb.Blueprint:
    parts = rrb.Horizontal(
        rrb.Spatial2DView(origin="camera", name="Camera: parts and skeletons"),
        rrb.Vertical(
            rrb.Spatial3DView(
                origin="hands", name="Hands, metres", background=_GROUND, eye_controls=_EYE
            ),
            rrb.TimeSeriesView(
                origin="latency",
                name="Latency, milliseconds",
                plot_legend=rrb.Corner2D.LeftTop,
                axis_y=rrb.ScalarAxis(range=(0.0, _LATENCY_MS)),
                time_ranges=[_LAST],
            ),
            row_shares=[3, 2],
        ),
        column_shares=[3, 2],
    )
    return rrb.Blueprint(parts, collapse_panels=True)


def _check_free(bind: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, port))
        except OSError as error:
            raise CannotServe(
                f"{bind}:{port} cannot be served at: {error.strerror}; --bind, --port and"
                " --data-port choose others"
            ) from error


def _start_server(bind: str, port: int, data_port: int) -> Child:
    # The program itself, not `python -m rerun`, which would leave it behind when it is killed.
    program = str(Path(rerun_cli.__file__).with_name("rerun"))
    command = [program, "--serve-web", "--hide-welcome-screen"]
    command += ["--bind", bind, "--web-viewer-port", str(port), "--port", str(data_port)]
    command += ["--server-memory-limit", _MEMORY]
    # Rerun's server reports its use to its makers unless its settings say no: it gets its own.
    settings = tempfile.mkdtemp(prefix="digit_view_")
    environment = {**os.environ, "RUST_LOG": "error", "XDG_CONFIG_HOME": settings}
    subprocess.run([program, "analytics", "disable"], env=environment, capture_output=True)
    server = Child("rerun", command, environment)
    deadline = time.monotonic() + _START_S
    while not (_answers(bind, port) and _answers(bind, data_port)):
        if server.code is not None or time.monotonic() > deadline:
            server.kill()
            raise CannotServe(f"rerun's server does not come up: {server.last_words()}")
        time.sleep(0.1)
    return server


def _answers(bind: str, port: int) -> bool:
    try:
        with socket.create_connection((bind, port), timeout=0.5):
            return True
    except OSError:
        return False
