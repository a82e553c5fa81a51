# SPDX-License-Identifier: Apache-2.0
"""Labelled real photos in folders, as docs/photos.md describes them, and which of them to show.

Repositories differ a thousandfold in size and their pictures are alike, so that a repository is
drawn in proportion to the square root of its number of pictures.
"""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from digit_core import boxes
from digit_core.pair import are_together
from digit_core.skeleton import SIDES
from training.interhand.errors import DataError

NO_HANDS = "no hands"
_JOINTS = 21


@dataclass(frozen=True)
class PhotoHand:
    """One labelled hand.

    Attributes:
        side: "right" or "left"; the person's own.
        joints: (21, 2) pixels, public joint order.
        sure: (21,) bool, joints that the label can be believed in.
    """

    side: str
    joints: np.ndarray
    sure: np.ndarray = field(default_factory=lambda: np.ones(_JOINTS, bool))

    @property
    def box(self) -> np.ndarray:
        """(4,) tight box of the joints, pixels."""
        return boxes.tight(self.joints)

    @property
    def extent(self) -> float:
        """Longer side of the box, pixels."""
        return float(self.box[2:].max())


@dataclass(frozen=True)
class Photo:
    """One picture.

    Attributes:
        path: of the picture's file.
        hands: what is labelled.
        category: what it is counted under.
        repository: whom it comes from.
        complete: nothing else in the picture is a hand.
    """

    path: Path
    hands: tuple[PhotoHand, ...]
    category: str = ""
    repository: str = ""
    complete: bool = True

    @cached_property
    def image(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB; read once and kept.

        Raises:
            DataError: the file is missing or damaged.
        """
        image = cv2.imread(str(self.path), cv2.IMREAD_COLOR)
        if image is None:
            raise DataError(f"{self.path}: missing, or no picture that can be read")
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    @property
    def together(self) -> bool:
        """Whether two labelled hands are so near that one crop shows both."""
        return len(self.hands) == 2 and are_together(self.hands[0].box, self.hands[1].box)


def read_photos(
    folders: Sequence[Path], split: str | None = "train", exclude: Collection[str] = ()
) -> list[Photo]:
    """Photos of folders, each with its labels.json.

    Args:
        folders: each holds a labels.json.
        split: of the entries that name one; None for all.
        exclude: repositories, "owner/name", that are left out.

    Raises:
        DataError: a labels.json is missing or not in the form; the sentence names the entry.
    """
    photos = []
    for folder in folders:
        path = folder / "labels.json"
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as error:
            raise DataError(f"{path}: cannot be read as JSON: {error}") from error
        if not isinstance(entries, list):
            raise DataError(f"{path}: expected a list of pictures")
        for i, entry in enumerate(entries):
            try:
                if split in (None, entry.get("split", split)):
                    photos.append(_photo(folder, entry))
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise DataError(f"{path}: entry {i}: {error!r}") from error
    kept = [photo for photo in photos if photo.repository not in exclude]
    if not kept:
        where = ", ".join(str(folder) for folder in folders)
        raise DataError(f"{where}: holds no photos{f' of split {split!r}' if split else ''}")
    return kept


def _photo(folder: Path, entry: dict) -> Photo:
    repository = "/".join(str(entry.get("source", folder.name)).split("/")[:2])
    hands = tuple(_hand(hand) for hand in entry["hands"])
    category = entry.get("category") or category_of(hands)
    complete = bool(entry.get("complete", True))
    return Photo(folder / entry["image"], hands, category, repository, complete)


def category_of(hands: Sequence[PhotoHand]) -> str:
    """What a picture of these hands is counted under."""
    if len(hands) < 2:
        return "single" if hands else NO_HANDS
    overlap = boxes.overlap_area(hands[0].box, hands[1].box) > 0
    return "two_interacting" if overlap else "two_separate"


def _hand(hand: dict) -> PhotoHand:
    joints = np.array(hand["keypoints_2d"], np.float64).reshape(_JOINTS, 2)
    if not np.isfinite(joints).all():
        raise ValueError("keypoints_2d holds a number that is not finite")
    sure = np.array(hand.get("sure", [1] * _JOINTS)).reshape(_JOINTS) > 0
    if hand["side"] not in SIDES:
        raise ValueError(f"side {hand['side']!r}, expected one of {', '.join(SIDES)}")
    return PhotoHand(hand["side"], joints, sure)


class Choice:
    """Draws photos, repositories in proportion to the square root of their pictures.

    Args:
        photos: what is drawn from; at least one.
    """

    def __init__(self, photos: Sequence[Photo]) -> None:
        if not photos:
            raise DataError("there are no photos of a kind that training needs")
        self._photos = photos
        count = Counter(photo.repository for photo in photos)
        weight = np.array([count[photo.repository] ** -0.5 for photo in photos])
        self._share = np.cumsum(weight / weight.sum())

    def draw(self, rng: np.random.Generator) -> Photo:
        """One photo."""
        return self._photos[min(int(np.searchsorted(self._share, rng.random())), len(self) - 1)]

    def __len__(self) -> int:
        return len(self._photos)
