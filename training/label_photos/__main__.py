# SPDX-License-Identifier: Apache-2.0
"""Label one's own pictures and videos: `python -m training.label_photos IN... OUT`.

Writes OUT/labels.json and OUT/pictures in the form of docs/photos.md, and OUT/sheet.png, a page to
check by eye. Labels are a vote over many views of each picture, by the bundled weights, by
MediaPipe Hands from an environment of its own (`--mediapipe VENV`), or by both. The same command
goes on where it was stopped.
"""

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path

import cv2

from digit_core.media import write_picture
from digit_core.printable import printable
from training import options as flags
from training.interhand.errors import DataError
from training.label_photos.labelling import entry
from training.label_photos.mediapipe_process import python_of
from training.label_photos.sheet import sheet
from training.label_photos.sources import Shot, files_of, refuse_overlap, shots, shrunk
from training.label_photos.store import Store
from training.label_photos.vote import Result
from training.label_photos.work import TEACHERS, Teaching, labelled

_TELL_EVERY_S = 20


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    it = argparse.ArgumentParser(
        prog="python -m training.label_photos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("inputs", nargs="+", type=Path, metavar="IN", help="pictures, videos, folders")
    it.add_argument("output", type=Path, metavar="OUT", help="folder of the labelled pictures")
    it.add_argument("--every", type=flags.positive, default=10, help="of videos, each n-th frame")
    it.add_argument("--longer-side", type=flags.positive, default=480, help="pixels, at most")
    it.add_argument(
        "--teacher",
        choices=TEACHERS,
        help="who votes (default: both with --mediapipe, else weights)",
    )
    it.add_argument(
        "--mediapipe", type=Path, metavar="VENV", help="with requirements/mediapipe.txt"
    )
    it.add_argument("--weights", type=Path, metavar="FILE", help="default: the bundled ones")
    it.add_argument("--device", help="of the weights: cpu, cuda (default: the best there is)")
    it.add_argument(
        "--without-hands",
        action="store_true",
        help="the inputs are known to show no hand; nothing looks at them",
    )
    it.add_argument("--jobs", type=flags.positive, default=1, help="processes")
    it.add_argument("--sheet-most", type=flags.positive, default=60, help="pictures in the sheet")
    return it


def teaching_of(o: argparse.Namespace) -> Teaching:
    """Who labels.

    Raises:
        DataError: MediaPipe is asked for without its environment, or there is none.
    """
    teacher = o.teacher or ("both" if o.mediapipe else "weights")
    if teacher == "weights":
        return Teaching(teacher, None, o.weights, o.device)
    if o.mediapipe is None:
        raise DataError(
            f"--teacher {teacher}: give --mediapipe VENV, an environment with "
            "requirements/mediapipe.txt"
        )
    python_of(o.mediapipe)
    return Teaching(teacher, o.mediapipe, o.weights, o.device)


def run(o: argparse.Namespace) -> int:
    """Label; returns how many files could not be read.

    Raises:
        ValueError, OSError: nothing can be labelled or written; the sentence says why.
    """
    files, teaching = files_of(o.inputs), teaching_of(o)
    refuse_overlap(o.inputs, o.output)
    store, bad = Store(o.output), []

    def complain(sentence: str) -> None:
        bad.append(sentence)
        print(f"left out: {sentence}", file=sys.stderr, flush=True)

    fresh, told = 0, time.monotonic()
    try:
        new = shots(files, o.every, store.names, complain)
        known = ((shot, Result([])) for shot in new)
        for shot, result in known if o.without_hands else labelled(new, teaching, o.jobs):
            keep(store, shot, result, o.longer_side)
            fresh += 1
            if time.monotonic() - told > _TELL_EVERY_S:
                told = time.monotonic()
                print(f"{fresh} labelled, now at {shot.source}", flush=True)
    finally:
        store.save()
    if store.entries:
        write_picture(o.output / "sheet.png", sheet(o.output, store.entries, o.sheet_most))
    print(f"{o.output}: {fresh} new; {summary(store.entries)}")
    return len(bad)


def keep(store: Store, shot: Shot, result: Result, longer_side: int) -> None:
    """Write a shot and its labels in the pixels of the picture that is kept."""
    kept = shrunk(shot.image, longer_side)
    height, width = kept.shape[:2]
    scale = max(height, width) / max(shot.image.shape[:2])
    told = entry(result, scale, width, height)
    store.add(shot.name, kept, {"source": printable(shot.source), **told})


def summary(entries: list[dict]) -> str:
    """Counts, for people."""
    hands = [len(e["hands"]) for e in entries]
    splits = Counter(e["split"] for e in entries)
    none = sum(e["complete"] and not e["hands"] for e in entries)
    undecided = sum(not e["complete"] and not e["hands"] for e in entries)
    return (
        f"{len(entries)} pictures ({splits['train']} train, {splits['val']} val), {sum(hands)} "
        f"hands, {hands.count(2)} with both, {none} without hands, {undecided} not decided"
    )


def main(arguments: list[str] | None = None) -> int:
    """Command line; 2 with one sentence where an input cannot be read or the output written."""
    o = parser().parse_args(arguments)
    # The one sentence about a bad file is ours.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        bad = run(o)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    if bad:
        print(f"error: {bad} files could not be read and are left out", file=sys.stderr)
    return 2 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
