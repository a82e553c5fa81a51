# SPDX-License-Identifier: Apache-2.0
"""Rendered pictures in memory, by index: the reading side of `training.synth.shards`."""

from pathlib import Path

import cv2
import numpy as np


class Samples:
    """All files of one kind under a folder, compressed in memory; `refresh` takes in new ones.

    Raises:
        FileNotFoundError: there is no such file yet.
    """

    _TRUTH = ("joints_cam_m", "joints_px", "k", "size_m", "interacting", "focus")

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder, self._kind = Path(folder), kind
        self._files: list[Path] = []
        self._shards: list[dict[str, np.ndarray]] = []
        self._starts = [0]
        if self.refresh() == 0:
            raise FileNotFoundError(
                f"{folder}: no {kind}_*.npz; render with python -m training.synth.shards"
            )

    def refresh(self) -> int:
        """Take in files that were rendered since; returns how many pictures there are now."""
        for path in sorted(self._folder.glob(f"{self._kind}_*.npz")):
            if path not in self._files:
                with np.load(path) as data:
                    self._shards.append({k: data[k] for k in data.files})
                self._files.append(path)
                self._starts.append(self._starts[-1] + len(self._shards[-1]["focus"]))
        return len(self)

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """RGB (H, W, 3) uint8, labels (H, W) uint8 and the truth of one picture."""
        shard = int(np.searchsorted(self._starts, index, side="right")) - 1
        data, i = self._shards[shard], index - self._starts[shard]
        rgb = cv2.imdecode(_slice(data["jpeg"], data["jpeg_end"], i), cv2.IMREAD_COLOR_RGB)
        labels = cv2.imdecode(_slice(data["label"], data["label_end"], i), cv2.IMREAD_UNCHANGED)
        return rgb, labels, {k: data[k][i] for k in self._TRUTH}


def _slice(blob: np.ndarray, ends: np.ndarray, i: int) -> np.ndarray:
    return blob[0 if i == 0 else ends[i - 1] : ends[i]]
