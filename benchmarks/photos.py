# SPDX-License-Identifier: Apache-2.0
"""Score the estimator on a folder of real photos: `python -m benchmarks.photos FOLDER`.

With `--beside VENV`, an environment with requirements/mediapipe.txt, MediaPipe Hands gets the
same pictures and the same score, and both get photographs without hands.

FOLDER/labels.json is a list of {"image", "width", "height", "category", "hands": [{"side",
"bbox": [x, y, w, h], "keypoints_2d": 21 x [x, y]}]}: pixels, public joint order, the person's own
side. Nothing but the picture is given to the estimator.

Each labelled hand is matched with the predicted hand of least mean distance, one to one. PCK@0.2
is the share of joints within 0.2 of the labelled box's longer side; a hand that was missed counts
21 wrong joints. It comes in two kinds: of hands wherever found, whatever side was told; and with a
hand of the wrong side counted as missed. A hand is right when its side is right and at least 18
of its joints are within. Of a picture of two hands both are right, or not.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import cv2
import numpy as np

from benchmarks.no_hands import photographs
from digit_core import DigitEstimator, Hand, TwoHands, draw_hands
from digit_core.detection import letterbox
from digit_core.media import Media, write_picture
from training.default_weights.reliability import curve, expected_error

PCK_SHARE = 0.2
JOINTS_OF_A_RIGHT_HAND = 18
NO_HANDS = "no hands"
_COLUMNS = 4


@dataclass(frozen=True)
class Label:
    """One labelled hand: side, box (4,) and joints (21, 2) in pixels, public order."""

    side: str
    box: np.ndarray
    joints: np.ndarray


@dataclass(frozen=True)
class Photo:
    """One labelled picture."""

    path: Path
    category: str
    hands: tuple[Label, ...]


@dataclass(frozen=True)
class Told:
    """A hand that another program reported: side and joints (21, 2) in pixels."""

    side: str
    joints_2d: np.ndarray


#: A photo, the hands that were told, and how its labelled ones fared.
Result = tuple[Photo, list[Hand] | list[Told], list["Score"]]


@dataclass(frozen=True)
class Score:
    """How one labelled hand fared.

    Attributes:
        found: a predicted hand was matched with it.
        within: (21,) bool, joints near enough.
        side_right: the matched hand has its side.
    """

    found: bool
    within: np.ndarray
    side_right: bool

    @property
    def right(self) -> bool:
        """Side right and nearly all joints within."""
        return bool(self.side_right and self.within.sum() >= JOINTS_OF_A_RIGHT_HAND)


MISSED = Score(False, np.zeros(21, bool), False)


def read_labels(folder: Path) -> list[Photo]:
    """Photos of a folder.

    Raises:
        ValueError: labels.json is missing or not of the form above; the sentence names the entry.
    """
    path = folder / "labels.json"
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: cannot be read as JSON: {error}") from error
    photos = []
    for i, entry in enumerate(entries):
        try:
            hands = tuple(_label(hand) for hand in entry["hands"])
            photos.append(Photo(folder / entry["image"], entry["category"], hands))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: entry {i}: {error!r}") from error
    return photos


def _label(hand: dict) -> Label:
    box, joints = np.array(hand["bbox"], float), np.array(hand["keypoints_2d"], float)
    return Label(hand["side"], box.reshape(4), joints.reshape(21, 2))


def score_photo(photo: Photo, hands: Iterable[Hand | Told]) -> list[Score]:
    """Scores of a photo's labelled hands, in their order."""
    predicted = list(hands)
    distance = {
        (i, j): float(np.nanmean(np.linalg.norm(hand.joints_2d - label.joints, axis=1)))
        for (i, label), (j, hand) in product(enumerate(photo.hands), enumerate(predicted))
    }
    scores = [MISSED] * len(photo.hands)
    while distance:
        i, j = min(distance, key=lambda pair: distance[pair])
        label, hand = photo.hands[i], predicted[j]
        error = np.linalg.norm(hand.joints_2d - label.joints, axis=1)
        within = error <= PCK_SHARE * label.box[2:].max()  # NaN is not within
        scores[i] = Score(True, within, hand.side == label.side)
        distance = {pair: d for pair, d in distance.items() if pair[0] != i and pair[1] != j}
    return scores


def summary(scores: Sequence[Score], false_hands: int = 0) -> dict[str, float]:
    """Figures over labelled hands; shares are of all labelled hands, missed ones included."""

    def share(values: Iterable[float]) -> float:
        values = list(values)
        return float(np.mean(values)) if values else float("nan")

    return {
        "hands": len(scores),
        "found": share(s.found for s in scores),
        "pck": share(s.within.mean() for s in scores),
        "pck_with_side": share(s.within.mean() * s.side_right for s in scores),
        "side_right": share(s.side_right for s in scores),
        "side_right_of_found": share(s.side_right for s in scores if s.found),
        "hand_right": share(s.right for s in scores),
        "too_many": false_hands,
    }


def evaluate(
    photos: Sequence[Photo], estimator: DigitEstimator, overlay: Path | None = None
) -> list[Result]:
    """Run all photos; with `overlay` draws each with its labels as white dots."""
    results = []
    for photo in photos:
        (image,) = Media.open(photo.path).frames()
        hands = estimator(image)
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
    runner = Path(__file__).with_name("mediapipe_hands.py")
    paths = "\n".join(str(photo.path.resolve()) for photo in photos)
    command = [str(environment / "bin" / "python"), str(runner), "photos"]
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
        photo, hands, scores = result
        too_many = max(len(hands) - len(photo.hands), 0)
        return sum(int((~s.within).sum()) for s in scores) + 21 * too_many

    tiles = []
    for photo, hands, _ in sorted(results, key=wrong, reverse=True)[:most]:
        (image,) = Media.open(photo.path).frames()
        told = {hand.side: hand for hand in hands if isinstance(hand, Hand)}
        both = TwoHands(told.get("right"), told.get("left"), np.zeros(image.shape[:2], np.uint8))
        drawn = letterbox(_drawn(image, both, photo))[0]
        cv2.putText(drawn, photo.path.stem[:34], (4, 250), cv2.FONT_HERSHEY_PLAIN, 0.8, (255, 0, 0))
        tiles.append(drawn)
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % _COLUMNS)
    rows = [np.hstack(tiles[i : i + _COLUMNS]) for i in range(0, len(tiles), _COLUMNS)]
    return np.vstack(rows)


def confidence_figures(results: Sequence[Result]) -> dict[str, float]:
    """How far our confidences can be believed: joints within one sigma, and hands' calibration.

    A told hand is there where at least half of a labelled hand's joints are within.
    """
    inside, told, there = [], [], []
    for photo, hands, _ in results:
        for hand in hands:
            near = [
                score_photo(replace(photo, hands=(h,)), [hand])[0].within.sum() for h in photo.hands
            ]
            told.append(hand.confidence)
            there.append(max(near, default=0) > 10)
            if there[-1]:  # where its joints were meant to be is known
                label = photo.hands[int(np.argmax(near))]
                off = np.abs(hand.joints_2d - label.joints)
                inside.append((off < hand.joint_sigma_px[:, None])[hand.valid].mean())
    error = expected_error(curve(np.array(told), np.array(there, float)))
    return {"joints within one sigma": float(np.mean(inside)), "hands: calibration error": error}


def by_category(results: Sequence[Result]) -> dict[str, dict[str, float]]:
    """`summary` of each category and of all."""
    table = {}
    for category in [*sorted({photo.category for photo, _, _ in results}), "all"]:
        rows = [r for r in results if category in (r[0].category, "all")]
        false = sum(max(len(list(hands)) - len(photo.hands), 0) for photo, hands, _ in rows)
        table[category] = summary([s for _, _, scores in rows for s in scores], false)
        table[category] |= _of_pictures(rows)
    return table


def _of_pictures(rows: Sequence[Result]) -> dict[str, float]:
    """Shares of whole pictures: both hands right, both sides told, and none told where none is."""
    two = [r for r in rows if len(r[0].hands) == 2]
    none = [r for r in rows if not r[0].hands]

    def share(values: list[bool]) -> float:
        return float(np.mean(values)) if values else float("nan")

    return {
        "both_right": share([all(s.right for s in scores) for _, _, scores in two]),
        "both_sides": share([len({h.side for h in hands}) == 2 for _, hands, _ in two]),
        "none_told": share([not list(hands) for _, hands, _ in none]),
    }


def print_table(table: dict[str, dict[str, float]]) -> None:
    """Print figures by category, one row each."""
    names = list(next(iter(table.values())))
    widths = [len(name) + 2 for name in names]
    print(f"{'category':<18}" + "".join(f"{n:>{w}}" for n, w in zip(names, widths, strict=True)))
    for category, figures in table.items():
        cells = (f"{v:d}" if isinstance(v, int) else f"{v:.3f}" for v in figures.values())
        row = "".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))
        print(f"{category:<18}{row}")


def print_failures(results: Sequence[Result]) -> None:
    """Print each photo that has a hand that is not right, or a hand too many."""
    for photo, hands, scores in results:
        notes = [
            f"{label.side}: " + (_note(score) if score.found else "missed")
            for label, score in zip(photo.hands, scores, strict=True)
            if not score.right
        ]
        if len(list(hands)) > len(photo.hands):
            notes.append(f"{len(list(hands))} hands told, {len(photo.hands)} there")
        if notes:
            print(f"{photo.path.name}: " + "; ".join(notes))


def _note(score: Score) -> str:
    side = "" if score.side_right else ", side wrong"
    return f"{score.within.sum()} of 21 within{side}"


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", type=Path, help="default: the bundled ones")
    parser.add_argument("--device")
    parser.add_argument("--beside", type=Path, metavar="VENV", help="measure MediaPipe Hands too")
    parser.add_argument("--overlay", type=Path, metavar="DIR", help="write pictures there")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="the worst pictures in one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    args = parser.parse_args()
    try:
        photos = read_labels(args.folder)
        if args.beside:
            photos += [Photo(path, NO_HANDS, ()) for path in photographs(args.beside)]
        estimator = DigitEstimator.load(args.weights, args.device)
        if args.overlay:
            args.overlay.mkdir(parents=True, exist_ok=True)
        results = evaluate(photos, estimator, args.overlay)
        theirs = mediapipe(photos, args.beside) if args.beside else []
    except (ValueError, OSError) as error:
        print(f"photos: {error}", file=sys.stderr)
        return 1
    table = by_category(results)
    print_failures(results)
    print_table(table)
    for name, value in confidence_figures(results).items():
        print(f"{name}: {value:.3f}")
    if args.sheet:
        write_picture(args.sheet, sheet(results))
    tables = {"digit": table}
    if theirs:
        tables["mediapipe"] = by_category(theirs)
        print("\nMediaPipe Hands:")
        print_table(tables["mediapipe"])
    if args.json:
        args.json.write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
