# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from digit_core.crop import Crop
from digit_core.decode import Calibration, heatmap_spread, read
from digit_core.network.output import DigitOutput
from digit_core.skeleton import network_from_public


def gaussian(x: float, y: float, sigma_x: float, sigma_y: float) -> torch.Tensor:
    cell = torch.arange(64.0)
    gx, gy = -((cell - x) ** 2) / (2 * sigma_x**2), -((cell - y) ** 2) / (2 * sigma_y**2)
    return gy[:, None] + gx[None, :]


@pytest.mark.parametrize("sigma", [0.7, 1.5, 3.0, 5.0])
def test_sigma_of_a_gaussian_is_its_width(sigma):
    maps = gaussian(30.3, 25.8, sigma, sigma)[None, None]
    assert heatmap_spread(maps)[0].item() == pytest.approx(sigma, rel=0.02)


def test_sigma_is_the_mean_square_of_both_axes():
    maps = gaussian(32, 32, 1.0, 3.0)[None, None]
    assert heatmap_spread(maps)[0].item() == pytest.approx(np.sqrt((1 + 9) / 2), rel=0.02)


def test_a_single_cell_is_as_sure_as_a_cell():
    maps = torch.full((1, 1, 64, 64), -50.0)
    maps[0, 0, 10, 20] = 50
    sigma, mass = heatmap_spread(maps)
    assert sigma.item() == pytest.approx(12**-0.5) and mass.item() == pytest.approx(1)


def test_confidence_is_the_mass_near_the_mean():
    sharp, wide, flat = gaussian(30, 30, 1, 1), gaussian(30, 30, 12, 12), torch.zeros(64, 64)
    mass = heatmap_spread(torch.stack([sharp, wide, flat])[None])[1][0]
    assert mass[0] > 0.999
    assert 0.03 < mass[1] < 0.3
    # The mean of a flat map is 31.5; ten of 64 cells on each axis lie within five of it.
    assert mass[2].item() == pytest.approx((10 / 64) ** 2, rel=1e-3)


def output(right: np.ndarray, left: np.ndarray, root: float = 32.0) -> DigitOutput:
    joints = torch.tensor(network_from_public(right, left), dtype=torch.float32)[None]
    heat = torch.stack([gaussian(x - 0.5, y - 0.5, 2, 2) for x, y, _ in joints[0].tolist()])[None]
    presence, parts = torch.tensor([[3.0, -2.0]]), torch.zeros(1, 33, 128, 128)
    return DigitOutput(heat, joints, torch.tensor([[root]]), presence, parts)


def cells() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return tuple(rng.uniform((15, 15, 20), (50, 50, 44), (21, 3)) for _ in range(2))


def test_reading_is_in_image_pixels_and_metres():
    right, left = cells()
    crop = Crop(300.0, 200.0, 128.0)  # half an image pixel a patch pixel
    (reading,) = read(output(right, left, 40.0), [crop])
    expected = (np.stack([right, left])[..., :2] * 4 - 128) * 0.5 + (300, 200)
    assert np.abs(reading.joints_2d - expected).max() < 1e-4
    assert np.abs(reading.depth_m[1] - (left[:, 2] / 64 - 0.5) * 0.4).max() < 1e-6
    assert np.allclose(reading.sigma_px, 2 * 4 * 0.5, rtol=0.02)  # cells, patch, image
    assert reading.presence_logit.tolist() == [3, -2]
    assert reading.left_minus_right_m == pytest.approx((40 / 64 - 0.5) * 0.4)


def test_depths_beyond_the_range_are_its_ends():
    right, left = cells()
    right[4, 2], left[7, 2], left[8, 2] = 70.0, -9.0, np.nan
    (reading,) = read(output(right, left), [Crop(0, 0, 100)])
    assert (reading.depth_m[0, 4], reading.depth_m[1, 7]) == (0.2, -0.2)
    assert np.isnan(reading.depth_m[1, 8])


@pytest.mark.parametrize("root", [0.5, 63.0, float("nan")])
def test_difference_at_the_end_of_its_range_is_not_measured(root):
    (reading,) = read(output(*cells(), root), [Crop(0, 0, 100)])
    assert np.isnan(reading.left_minus_right_m)


def test_a_batch_keeps_each_crop_s_own():
    a, b = cells(), tuple(reversed(cells()))
    both = DigitOutput(*(torch.cat(t) for t in zip(output(*a), output(*b), strict=True)))
    crops = [Crop(100, 100, 256), Crop(50, 60, 512)]
    readings = read(both, crops)
    for reading, pair, crop in zip(readings, (a, b), crops, strict=True):
        assert np.allclose(reading.joints_2d[0], crop.to_image(pair[0][:, :2] * 4), atol=1e-3)


def test_calibration_keeps_what_it_does_not_know_and_follows_its_laws():
    logit, joints = np.array([2.0, -1.0]), np.full((2, 21), 0.5)
    assert Calibration().hand_logit(logit, joints).tolist() == [2.0, -1.0]
    assert Calibration().sigma(np.array([3.0])).tolist() == [3.0]
    law = Calibration(0.5, 2.0, 0.25, 3.0, 1.0)
    assert law.sigma(np.array([3.0])).tolist() == [4.5]
    expected = 0.25 * logit + 3.0 * np.log(0.5) + 1.0
    np.testing.assert_allclose(law.hand_logit(logit, joints), expected)
    assert np.isfinite(law.hand_logit(logit, np.zeros((2, 21)))).all()
