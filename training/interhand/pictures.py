# SPDX-License-Identifier: Apache-2.0
"""Pictures and part labels from the release's LMDBs, ours, or the data set's own files.

The release's values are PNGs encoded from RGB by an encoder that expects BGR, so OpenCV gives RGB
as it is. Ours may be the data set's own JPEGs, where OpenCV gives BGR. The first bytes tell.
"""

from pathlib import Path

import cv2
import numpy as np

from digit_core.parts import NUM_PARTS
from training.interhand.errors import DataError
from training.interhand.packed import PackedFile
from training.interhand.png import decode_color, decode_gray

IMAGES, LABELS = "images/interhand.lmdb", "segm_32.lmdb"
JPEG = b"\xff\xd8"


class PictureStore:
    """Pictures of a data root, from `images/interhand.lmdb` or else from `images/`."""

    def __init__(self, root: Path) -> None:
        root = root.resolve()  # one name for each LMDB, whatever the user called it
        self.root = root
        self.images = _packed(root / IMAGES)
        self.masks = _packed(root / LABELS)

    def image(self, key: str) -> np.ndarray:
        """(H, W, 3) uint8 RGB of `SPLIT/CaptureN/.../imageF.jpg`.

        Raises:
            DataError: it is missing or damaged.
        """
        value, place = self._bytes(key)
        picture = decode_color(value)
        # OpenCV fills what a truncated JPEG lacks with grey: the end mark tells.
        if picture is None or (value[:2] == JPEG and b"\xff\xd9" not in value[-64:]):
            raise DataError(f"{place}: damaged or truncated picture; unpack or pack it again")
        from_file = value[:2] == JPEG or self.images is None
        return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB) if from_file else picture

    def labels(self, key: str, size: tuple[int, int]) -> np.ndarray | None:
        """(H, W) uint8 part labels, or None where there are none for this picture.

        Raises:
            DataError: they are damaged or of another size than the picture's (width, height).
        """
        key = key.replace("jpg", "png")
        value = None if self.masks is None else self.masks.get(key)
        if self.masks is None or value is None:
            return None
        labels = decode_gray(value)
        place = f"{self.masks.folder}: {key}"
        if labels is None:
            raise DataError(f"{place}: damaged mask; run `python -m training.prepare masks`")
        if labels.shape != size[::-1]:
            found = f"{labels.shape[1]}x{labels.shape[0]}"
            raise DataError(f"{place}: a mask of {found} for a picture of {size[0]}x{size[1]}")
        if labels.max() >= NUM_PARTS:
            raise DataError(f"{place}: label {labels.max()}; expected 0 to {NUM_PARTS - 1}")
        return labels

    def _bytes(self, key: str) -> tuple[bytes, str]:
        path = self.root / "images" / key
        if self.images is not None:
            value = self.images.get(key)
            if value is not None:
                return value, f"{self.images.folder}: {key}"
            raise DataError(
                f"{self.images.folder}: {key} is not in it; run `python -m training.prepare images`"
            )
        try:
            return path.read_bytes(), str(path)
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}; unpack InterHand2.6M's pictures") from error


def _packed(folder: Path) -> PackedFile | None:
    return PackedFile(folder) if (folder / "data.mdb").exists() else None
