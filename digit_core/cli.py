# SPDX-License-Identifier: Apache-2.0
"""`python -m digit_core`: hands in photos and videos, as JSON lines and overlays."""

import argparse
import contextlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import cv2
import numpy as np

from digit_core.camera import Camera
from digit_core.hands import Hand, TwoHands
from digit_core.media import Media, VideoWriter, write_picture
from digit_core.skeleton import SIDES


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0, 1 after an error, 2 for wrong arguments."""
    args = _parser().parse_args(argv)
    _silence_opencv()
    try:
        with _outputs(args) as output:
            return _run(args, output)
    except (ValueError, OSError) as error:  # weights, device or an output that cannot be made
        _complain(str(error))
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m digit_core", description="Find both hands in photos and videos."
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="PHOTO_OR_VIDEO")
    parser.add_argument("--weights", type=Path, help="weights file (default: the bundled ones)")
    parser.add_argument("--device", help="cpu, cuda, ... (default: the best there is)")
    parser.add_argument(
        "--camera", type=_camera, metavar="fx,fy,cx,cy", help="intrinsics in pixels, for metric 3D"
    )
    parser.add_argument(
        "--hand-size", type=float, metavar="M", help="wrist to middle fingertip, metres"
    )
    parser.add_argument(
        "--json", metavar="OUT.jsonl", help="one JSON object a frame; - for standard output"
    )
    parser.add_argument("--overlay", type=Path, metavar="DIR", help="folder for pictures of them")
    return parser


def _camera(text: str) -> Camera:
    try:
        fx, fy, cx, cy = (float(number) for number in text.split(","))
        return Camera(fx, fy, cx, cy)
    except ValueError as error:
        message = f"{text!r}: expected four numbers fx,fy,cx,cy with fx and fy positive"
        raise argparse.ArgumentTypeError(message) from error


@contextlib.contextmanager
def _outputs(args: argparse.Namespace) -> Iterator[TextIO | None]:
    """Open what results go to before any work is done."""
    if args.overlay:
        args.overlay.mkdir(parents=True, exist_ok=True)
    if args.json is None:
        yield None
    elif args.json == "-":
        yield sys.stdout
    else:
        with open(args.json, "w", encoding="utf-8") as file:
            yield file


def _run(args: argparse.Namespace, output: TextIO | None) -> int:
    from digit_core.estimator import DigitEstimator

    estimator = DigitEstimator.load(args.weights, args.device, args.hand_size)
    taken: Counter[str] = Counter()
    failed = 0
    for path in args.files:
        try:
            summary = _process(estimator, path, args, output, taken)
        except ValueError as error:
            _complain(str(error))
            failed += 1
        else:
            print(f"{path}: {summary}", file=sys.stderr if output is sys.stdout else sys.stdout)
    return 1 if failed else 0


def _process(
    estimator: Any,
    path: Path,
    args: argparse.Namespace,
    output: TextIO | None,
    taken: Counter[str],
) -> str:
    """Take one file through the estimator; returns a line about it."""
    media = Media.open(path)
    track = estimator.tracker() if media.is_video else None
    found: Counter[str] = Counter()
    start, count = time.perf_counter(), 0
    with _overlay(media, args.overlay, taken) as show:
        for count, image in enumerate(media.frames(), start=1):
            stamp = (count - 1) / media.fps
            hands = track(image, args.camera, stamp) if track else estimator(image, args.camera)
            found.update(hand.side for hand in hands)
            if output:
                print(json.dumps(record(path, count - 1, image, hands)), file=output)
            show(image, hands)
    milliseconds = (time.perf_counter() - start) / count * 1e3
    return _summary(media, hands, count, found, milliseconds)


def _summary(
    media: Media, hands: TwoHands, count: int, found: Counter[str], milliseconds: float
) -> str:
    if media.is_video:
        sides = ", ".join(f"{side} in {found[side]}" for side in SIDES)
        return f"{count} frames, {sides}, {milliseconds:.0f} ms a frame"
    seen = ", ".join(f"{hand.side} {hand.confidence:.2f}" for hand in hands)
    return f"{seen or 'no hand'}, {milliseconds:.0f} ms"


@contextlib.contextmanager
def _overlay(media: Media, folder: Path | None, taken: Counter[str]) -> Iterator[Any]:
    """A function that takes each image with its hands and draws them into a file."""
    if folder is None:
        yield lambda image, hands: None
        return
    from digit_core.draw import draw_hands

    path = folder / _free_name(media, taken)
    if not media.is_video:
        yield lambda image, hands: write_picture(path, draw_hands(image, hands))
        return
    writer = VideoWriter(path, media.fps)
    try:
        yield lambda image, hands: writer.add(draw_hands(image, hands))
    finally:
        writer.close()


def _free_name(media: Media, taken: Counter[str]) -> str:
    """Name of the overlay; two sources of one name do not overwrite each other."""
    suffix = ".mp4" if media.is_video else ".jpg"
    name = media.path.stem + suffix
    taken[name] += 1
    return name if taken[name] == 1 else f"{media.path.stem}_{taken[name]}{suffix}"


def record(path: Path, frame: int, image: np.ndarray, hands: TwoHands) -> dict[str, Any]:
    """One frame's result as JSON knows it: public joint order, null where there is nothing."""
    return {
        "source": str(path),
        "frame": frame,
        "width": image.shape[1],
        "height": image.shape[0],
        "hands": [_hand_record(hand) for hand in hands],
    }


def _hand_record(hand: Hand) -> dict[str, Any]:
    return {
        "side": hand.side,
        "confidence": round(hand.confidence, 4),
        "joints_2d": _numbers(hand.joints_2d, 2),
        "joints_3d": None if hand.joints_3d is None else _numbers(hand.joints_3d, 5),
        "joints_relative": _numbers(hand.joints_relative, 5),
        "joint_confidence": _numbers(hand.joint_confidence, 4),
    }


def _numbers(values: np.ndarray, digits: int) -> list[Any]:
    """Nested lists with None for what is not a number; a joint that is not valid is one None."""
    rounded = np.round(values.astype(np.float64), digits)
    if rounded.ndim == 2:
        return [row.tolist() if np.isfinite(row).all() else None for row in rounded]
    return [float(v) if np.isfinite(v) else None for v in rounded]


def _complain(message: str) -> None:
    print(f"digit_core: {message}", file=sys.stderr)


def _silence_opencv() -> None:
    """Leave the one sentence about a bad file to us."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
