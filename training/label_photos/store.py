# SPDX-License-Identifier: Apache-2.0
"""The result's folder: pictures and labels.json, whole at any time, so that a run can go on."""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from digit_core.media import write_picture
from training.interhand.errors import DataError

PICTURES, LABELS = "pictures", "labels.json"
VAL_SHARE = 0.2
#: With fewer groups than these the end of each is for validation.
_LEAST_GROUPS = 3
_SAVE_EVERY_S = 30


class Store:
    """A folder of labelled pictures.

    Args:
        folder: made where it is not there; what it holds is kept.

    Raises:
        DataError: it holds a labels.json that is none.
        OSError: it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / PICTURES).mkdir(parents=True, exist_ok=True)
        self._entries = {entry["image"]: entry for entry in _read(folder / LABELS)}
        self._saved = time.monotonic()

    @property
    def entries(self) -> list[dict[str, Any]]:
        """What labels.json holds, by name."""
        return [self._entries[image] for image in sorted(self._entries)]

    @property
    def names(self) -> set[str]:
        """Names of the pictures that are labelled and there, without ending."""
        return {Path(image).stem for image in self._entries if (self._folder / image).is_file()}

    def add(self, name: str, image: np.ndarray, entry: dict[str, Any]) -> None:
        """Keep a picture (H, W, 3) uint8 RGB and its entry of labels.json.

        Raises:
            OSError, MediaError: it cannot be written.
        """
        path = f"{PICTURES}/{name}.jpg"
        write_picture(self._folder / path, image)
        self._entries[path] = {"image": path, **entry}
        if time.monotonic() - self._saved > _SAVE_EVERY_S:
            self.save()

    def save(self) -> None:
        """Write labels.json, with splits for the entries that have none."""
        entries = self.entries
        assign_splits(entries)
        path = self._folder / LABELS
        unfinished = path.with_name(path.name + ".part")
        unfinished.write_text(json.dumps(entries), encoding="utf-8")
        os.replace(unfinished, path)
        self._saved = time.monotonic()


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        if all(isinstance(entry["image"], str) for entry in entries):
            return list(entries)
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError, KeyError):
        pass
    raise DataError(f"{path}: no list of labelled pictures; name another folder")


def assign_splits(entries: Sequence[dict[str, Any]]) -> None:
    """Give each entry without a split `train` or `val`, a fifth `val`; others keep theirs.

    Entries of one group (the first two parts of `source`) go together; where there are one or two
    groups, the last fifth of each is `val`.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        groups.setdefault("/".join(entry.get("source", "").split("/")[:2]), []).append(entry)
    seen = val = 0
    for _, group in sorted(groups.items()):
        new = [entry for entry in group if "split" not in entry]
        known = [entry["split"] for entry in group if "split" in entry]
        if len(groups) < _LEAST_GROUPS:
            first = len(new) - round(VAL_SHARE * len(new))
            splits = ["train"] * first + ["val"] * (len(new) - first)
        else:
            fits = val + len(group) / 2 <= VAL_SHARE * (seen + len(group))
            splits = [known[0] if known else "val" if fits else "train"] * len(new)
        for entry, split in zip(new, splits, strict=True):
            entry["split"] = split
        seen += len(group)
        val += sum(entry["split"] == "val" for entry in group)
