# SPDX-License-Identifier: Apache-2.0
"""Score the estimator on a folder of real photos: `python -m benchmarks.photos FOLDER`.

With `--beside VENV`, an environment with requirements/mediapipe.txt, MediaPipe Hands gets the
same pictures and the same score, and both get photographs without hands.

FOLDER/labels.json is a list of pictures as docs/photos.md describes it; `--split val` takes those
of one split. Nothing but the picture is given to the estimator; with `--boxes` the labelled boxes
are, which tells what finding hands costs. `training.default_weights.photo_scores` says how it is
scored.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.no_hands import photographs
from digit_core import DigitEstimator, Hand, TwoHands, draw_hands
from digit_core.detection import letterbox
from digit_core.media import Media, write_picture
from training.default_weights.photo_scores import (
    Result,
    Told,
    by_category,
    confidence_figures,
    intervals,
    score_photo,
    too_many,
)
from training.default_weights.photos import NO_HANDS, Photo, read_photos
from training.label_photos.mediapipe_process import RUNNER

_COLUMNS = 4
_TILE_PX = 256


def evaluate(
    photos: Sequence[Photo],
    estimator: DigitEstimator,
    overlay: Path | None = None,
    boxes_given: bool = False,
) -> list[Result]:
    """Run all photos; with `overlay` draws each with its labels as white dots."""
    results = []
    for photo in photos:
        (image,) = Media.open(photo.path).frames()
        hands = estimator(image, boxes=[h.box for h in photo.hands] if boxes_given else None)
        results.append((photo, list(hands), score_photo(photo, hands)))
        if overlay:
            write_picture(overlay / f"{photo.path.stem}.jpg", _drawn(image, hands, photo))
    return results


def _drawn(image: np.ndarray, hands: TwoHands, photo: Photo) -> np.ndarray:
    drawn = draw_hands(image, hands)
    for label in photo.hands:
        for x, y in label.joints.round().astype(int).tolist():
            cv2.circle(drawn, (x, y), 2, (0, 0, 0), cv2.FILLED, cv2.LINE_AA)
            cv2.circle(drawn, (x, y), 1, (255, 255, 255), cv2.FILLED, cv2.LINE_AA)
    return drawn


def mediapipe(photos: Sequence[Photo], environment: Path) -> list[Result]:
    """Run MediaPipe Hands of a virtual environment over the same photos.

    Raises:
        ValueError: it cannot be run there; the sentence says what it said last.
    """
    paths = "\n".join(str(photo.path.resolve()) for photo in photos)
    command = [str(environment / "bin" / "python"), str(RUNNER), "photos"]
    done = subprocess.run(command, input=paths, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"{environment}: MediaPipe failed: {done.stderr.strip()[-300:]}")
    results: list[Result] = []
    for photo, line in zip(photos, done.stdout.splitlines(), strict=True):
        told = [Told(hand["side"], np.array(hand["joints_2d"])) for hand in json.loads(line)]
        results.append((photo, told, score_photo(photo, told)))
    return results


def sheet(results: Sequence[Result], most: int = 12) -> np.ndarray:
    """The worst pictures side by side, RGB: our skeletons, the labels as white dots.

    Worst are those with the most wrong joints; hands that are not there count as 21.
    """

    def wrong(result: Result) -> int:
        return sum(int((~s.within).sum()) for s in result[2]) + 21 * too_many(result)

    tiles = []
    for photo, hands, _ in sorted(results, key=wrong, reverse=True)[:most]:
        (image,) = Media.open(photo.path).frames()
        told = {hand.side: hand for hand in hands if isinstance(hand, Hand)}
        both = TwoHands(told.get("right"), told.get("left"), np.zeros(image.shape[:2], np.uint8))
        drawn = cv2.resize(letterbox(_drawn(image, both, photo))[0], (_TILE_PX, _TILE_PX))
        cv2.putText(drawn, photo.path.stem[:34], (4, 250), cv2.FONT_HERSHEY_PLAIN, 0.8, (255, 0, 0))
        tiles.append(drawn)
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % _COLUMNS)
    rows = [np.hstack(tiles[i : i + _COLUMNS]) for i in range(0, len(tiles), _COLUMNS)]
    return np.vstack(rows)


def print_table(table: dict[str, dict[str, float]]) -> None:
    """Print figures by category, one row each."""
    names = list(next(iter(table.values())))
    widths = [max(len(name), 5) + 2 for name in names]
    print(f"{'category':<18}" + "".join(f"{n:>{w}}" for n, w in zip(names, widths, strict=True)))
    for category, figures in table.items():
        cells = (f"{v:d}" if isinstance(v, int) else f"{v:.3f}" for v in figures.values())
        row = "".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))
        print(f"{category:<18}{row}")


def print_failures(results: Sequence[Result]) -> None:
    """Print each photo that has a hand that is not right, or a hand too many."""
    for result in results:
        photo, hands, scores = result
        notes = [
            f"{label.side}: " + (_note(score) if score.found else "missed")
            for label, score in zip(photo.hands, scores, strict=True)
            if not score.right
        ]
        if too_many(result):
            notes.append(f"{len(list(hands))} hands told, {len(photo.hands)} there")
        if notes:
            print(f"{photo.path.name}: " + "; ".join(notes))


def _note(score) -> str:
    side = "" if score.side_right else ", side wrong"
    return f"{score.within.sum()} of 21 within{side}"


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--split", help="of the pictures that name one, take these")
    parser.add_argument("--weights", type=Path, help="default: the bundled ones")
    parser.add_argument("--device")
    parser.add_argument("--boxes", action="store_true", help="give the labelled boxes")
    parser.add_argument("--beside", type=Path, metavar="VENV", help="measure MediaPipe Hands too")
    parser.add_argument("--overlay", type=Path, metavar="DIR", help="write pictures there")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="the worst pictures in one")
    parser.add_argument("--most", type=int, default=12, help="pictures in the sheet")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    args = parser.parse_args()
    try:
        photos = labelled(read_photos([args.folder], args.split))
        if args.beside:
            photos += [Photo(path, (), NO_HANDS, path.stem) for path in photographs(args.beside)]
        estimator = DigitEstimator.load(args.weights, args.device)
        if args.overlay:
            args.overlay.mkdir(parents=True, exist_ok=True)
        results = evaluate(photos, estimator, args.overlay, args.boxes)
        theirs = mediapipe(photos, args.beside) if args.beside else []
    except (ValueError, OSError) as error:
        print(f"photos: {error}", file=sys.stderr)
        return 1
    print_failures(results)
    tables = {"digit": figures(results) | {"confidence": confidence_figures(results)}}
    print_table(tables["digit"]["figures"])
    print(json.dumps(tables["digit"]["intervals"]))
    print(json.dumps(tables["digit"]["confidence"]))
    if args.sheet:
        write_picture(args.sheet, sheet(results, args.most))
    if theirs:
        tables["mediapipe"] = figures(theirs)
        print("\nMediaPipe Hands:")
        print_table(tables["mediapipe"]["figures"])
    if args.json:
        args.json.write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")
    return 0


def labelled(photos: Sequence[Photo]) -> list[Photo]:
    """Photos that tell something: with labelled hands, or known to have none."""
    return [photo for photo in photos if photo.hands or photo.complete]


def figures(results: Sequence[Result]) -> dict[str, dict]:
    """Figures by category, and their intervals."""
    return {"figures": by_category(results), "intervals": intervals(results)}


if __name__ == "__main__":
    sys.exit(main())
