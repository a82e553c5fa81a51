# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digit_core import boxes
from digit_core.crop import MARGIN, PATCH, Crop, crop_for

number = st.floats(-3000, 3000)
crops = st.builds(Crop, number, number, st.floats(4, 5000))


@settings(deadline=None)
@given(crops, st.lists(st.tuples(number, number), min_size=1, max_size=20))
def test_to_image_is_the_inverse_of_to_patch(crop, points):
    points = np.array(points)
    assert np.abs(crop.to_image(crop.to_patch(points)) - points).max() < 1e-8
    assert np.abs(crop.to_patch(crop.to_image(points)) - points).max() < 1e-8


def test_three_points_of_the_patch():
    crop = Crop(100.0, 60.0, 80.0)
    three = np.array([[100, 60], [100, 100], [140, 60]])
    assert crop.to_patch(three).tolist() == [[128, 128], [128, 256], [256, 128]]


def test_the_crop_of_joints_is_their_box_grown_by_the_margin():
    crop = crop_for(np.array([[10, 20], [50, 30], [30, 100]]))
    assert (crop.center_x, crop.center_y, crop.side) == (30, 60, pytest.approx(80 * MARGIN))


def picture(height: int = 240, width: int = 320) -> np.ndarray:
    """Smooth: its colours tell the place, x in the first channel and y in the second."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 / width, y * 255 / height, 0 * x], axis=-1).round().astype(np.uint8)


def test_cut_takes_pixels_from_where_the_crop_says():
    image, crop = picture(), Crop(150.3, 110.7, 90.0)
    patch = crop.cut(image).astype(float)
    at = crop.to_image(np.stack(np.meshgrid([20, 200], [30, 220]), axis=-1).reshape(-1, 2))
    seen = np.array([patch[y, x, :2] for y in (30, 220) for x in (20, 200)])
    assert np.abs(seen - at * (255 / 320, 255 / 240)).max() < 1.1


def test_pixel_zero_is_the_first_pixel_s_centre():
    image = np.zeros((64, 64, 3), np.uint8)
    image[10, 20] = 255
    crop = Crop(24.0, 14.0, 32.0)  # 8 patch pixels a pixel
    patch = crop.cut(image)[..., 0].astype(float)
    y, x = np.mgrid[:PATCH, :PATCH]
    center = np.array([(patch * x).sum(), (patch * y).sum()]) / patch.sum()
    assert np.abs(center - crop.to_patch(np.array([20, 10]))).max() < 0.1


def test_cut_is_the_plain_affine_warp_of_the_release():
    rng = np.random.default_rng(1)
    image = cv2.blur(rng.integers(0, 255, (300, 400, 3), np.uint8), (5, 5))
    crop = Crop(210.0, 140.0, 300.0)
    source = np.array([[210, 140], [210, 290], [360, 140]], np.float32)
    target = np.array([[128, 128], [128, 256], [256, 128]], np.float32)
    expected = cv2.warpAffine(image, cv2.getAffineTransform(source, target), (256, 256))
    assert np.abs(crop.cut(image).astype(int) - expected).max() <= 1


def test_outside_is_black():
    image = np.full((50, 50, 3), 200, np.uint8)
    patch = Crop(0.0, 25.0, 60.0).cut(image)
    assert patch[:, :100].max() == 0 and patch[128, 200].min() == 200
    assert Crop(500.0, 25.0, 60.0).cut(image).max() == 0


def test_large_crops_are_averaged_not_sampled():
    image = np.zeros((2000, 2000, 3), np.uint8)
    image[::2] = 255
    patch = Crop(1000.0, 1000.0, 1800.0).cut(image)
    assert patch[40:216, 40:216].std() < 12  # sampling alone gives a moire of 0 to 255
    assert abs(patch[40:216, 40:216].mean() - 127.5) < 4


def test_large_crops_keep_the_place():
    image, crop = picture(1600, 2000), Crop(1003.0, 801.0, 1500.0)
    patch = crop.cut(image).astype(float)
    at = crop.to_image(np.array([[40, 50], [210, 190]]))
    seen = np.array([patch[50, 40, :2], patch[190, 210, :2]])
    assert np.abs(seen - at * (255 / 2000, 255 / 1600)).max() < 0.8


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (700, 3), (40000, 4)])
def test_any_size_and_layout(shape):
    image = np.full((*shape, 3), 77, np.uint8)
    whole = Crop.around(np.array([0, 0, shape[1], shape[0]]))
    assert whole.cut(image).shape == (256, 256, 3)
    # A transposed, mirrored view of the same pixels has neither their strides nor their sign.
    view = np.ascontiguousarray(image.transpose(1, 0, 2))[:, ::-1].transpose(1, 0, 2)[::-1]
    assert (whole.cut(view) == whole.cut(image)).all()


def test_labels_come_back_to_where_they_were():
    crop = Crop(160.0, 120.0, 200.0)
    labels = np.zeros((128, 128), np.uint8)
    labels[40:60, 30:80] = 9
    canvas = np.zeros((240, 320), np.uint8)
    crop.paste_labels(canvas, labels)
    rows, columns = canvas.nonzero()
    low = crop.to_image(np.array([30 * 2 - 1, 40 * 2 - 1]))  # half a label before the first
    high = crop.to_image(np.array([80 * 2 - 1, 60 * 2 - 1]))
    assert abs(columns.min() - low[0]) <= 1 and abs(rows.min() - low[1]) <= 1
    assert abs(columns.max() - high[0]) <= 1 and abs(rows.max() - high[1]) <= 1
    assert (canvas[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] == 9).all()


@settings(deadline=None)
@given(crops)
def test_pasting_keeps_what_is_there_and_never_leaves_the_image(crop):
    canvas = np.full((30, 40), 5, np.uint8)
    crop.paste_labels(canvas, np.zeros((128, 128), np.uint8))
    assert (canvas == 5).all()
    crop.paste_labels(canvas, np.full((128, 128), 7, np.uint8))
    inside = boxes.overlap_area(crop.box, np.array([0, 0, 39, 29]))
    assert (canvas == 7).any() == (inside > 0) or abs(inside) < 50


def test_labels_sample_the_patch_that_was_cut():
    """A label map made as the release makes them, every second patch pixel, comes back."""
    rng = np.random.default_rng(2)
    image = np.kron(rng.integers(1, 33, (24, 32)), np.ones((10, 10))).astype(np.uint8)
    crop = Crop(163.0, 117.0, 210.0)
    source = np.array([crop.to_image(np.array(p)) for p in ((0, 0), (256, 0), (0, 256))])
    target = np.array([[0, 0], [256, 0], [0, 256]], np.float32)
    matrix = cv2.getAffineTransform(source.astype(np.float32), target)
    patch = cv2.warpAffine(image, matrix, (256, 256), flags=cv2.INTER_NEAREST)
    canvas = np.zeros_like(image)
    crop.paste_labels(canvas, patch[::2, ::2].copy())
    inside = canvas > 0
    assert (canvas[inside] == image[inside]).mean() > 0.9
