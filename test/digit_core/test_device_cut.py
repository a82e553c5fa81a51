# SPDX-License-Identifier: Apache-2.0
"""Crops cut where the network runs are those cut in host memory."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from digit_core.crop import MIN_SIDE_PX, NOWHERE, PATCH, Crop
from digit_core.device_cut import cut, placements

#: `Crop.cut` rounds twice to whole grey levels, and places to 1/32 of a pixel: up to four levels at
#: an edge to black. Half a pixel beside would be eight in the mean.
MOST_LEVELS, MEAN_LEVELS = 6.0, 1.0


def picture(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(height * width)
    return cv2.GaussianBlur(rng.integers(0, 256, (height, width, 3), np.uint8), (5, 5), 1.5)


IMAGES = [picture(120, 160), picture(7, 300), picture(480, 640)]


def on_device(images: list[np.ndarray], which: list[int], crops: list[Crop]) -> np.ndarray:
    """(B, 256, 256, 3) grey levels."""
    frames = torch.from_numpy(np.stack(images))
    where = torch.from_numpy(placements(crops, images[0].shape))
    patches = cut(frames, torch.tensor(which), where)
    assert patches.shape == (len(crops), 3, PATCH, PATCH)
    assert patches.dtype == torch.float32
    return patches.permute(0, 2, 3, 1).numpy() * 255


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(IMAGES),
    st.floats(-0.3, 1.3),
    st.floats(-0.3, 1.3),
    st.floats(MIN_SIDE_PX, 1500),
)
def test_any_crop(image, x, y, side):
    crop = Crop(x * image.shape[1], y * image.shape[0], side)
    apart = np.abs(on_device([image], [0], [crop])[0] - crop.cut(image))
    assert apart.max() <= MOST_LEVELS
    assert apart.mean() <= MEAN_LEVELS


def test_crops_of_several_frames():
    images = [IMAGES[2], IMAGES[2][::-1].copy()]
    crops = [Crop(300, 200, 150), Crop(320, 240, 700), Crop(100, 400, 260)]
    found = on_device(images, [1, 0, 1], crops)
    for patch, i, crop in zip(found, (1, 0, 1), crops, strict=True):
        assert np.abs(patch - crop.cut(images[i])).max() <= MOST_LEVELS
        assert np.abs(patch - crop.cut(images[1 - i])).max() > 20


def test_nowhere_is_black():
    assert on_device(IMAGES[:1], [0], [NOWHERE]).max() == 0
    assert NOWHERE.cut(IMAGES[0]).max() == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_as_on_a_cpu():
    image = torch.from_numpy(IMAGES[2])[None]
    crops = [Crop(300, 200, 150), Crop(320, 240, 700)]
    where = torch.from_numpy(placements(crops, IMAGES[2].shape))
    inputs = (image, torch.tensor([0, 0]), where)
    found = cut(*(t.cuda() for t in inputs)).cpu()
    assert float((found - cut(*inputs)).abs().max()) < 1e-3
