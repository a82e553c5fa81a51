# SPDX-License-Identifier: Apache-2.0
import math
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from digit_core.camera import Camera

LENSES = {
    "plumb_bob": (0.1, -0.25, 0.001, -0.002, 0.05),
    "rational_polynomial": (0.3, 0.05, 0.0005, -0.0007, 0.01, 0.6, 0.1, 0.02),
    "equidistant": (-0.03, 0.01, -0.005, 0.001),
}


def lens(model: str, **changes) -> Camera:
    values = {"fx": 420.0, "fy": 415.0, "cx": 322.5, "cy": 238.25, "width": 640, "height": 480}
    return Camera(**{**values, **changes}, distortion=LENSES[model], model=model)


def points() -> np.ndarray:
    rng = np.random.default_rng(0)
    z = rng.uniform(0.3, 2.0, 200)
    return np.stack([rng.uniform(-0.5, 0.5, 200) * z, rng.uniform(-0.4, 0.4, 200) * z, z], axis=1)


@pytest.mark.parametrize("model", LENSES)
def test_projection_is_opencv_s(model):
    camera, zero = lens(model), np.zeros(3)
    if model == "equidistant":
        expected, _ = cv2.fisheye.projectPoints(
            points()[None], zero, zero, camera.matrix, np.array(camera.distortion)
        )
    else:
        expected, _ = cv2.projectPoints(
            points(), zero, zero, camera.matrix, np.array(camera.distortion)
        )
    assert np.abs(camera.project(points()) - expected.reshape(-1, 2)).max() < 1e-9


@pytest.mark.parametrize("model", LENSES)
def test_unproject_is_the_inverse_of_project(model):
    camera, p = lens(model), points()
    rays = camera.unproject(camera.project(p))
    assert np.abs(rays * p[:, 2:] - p).max() < 1e-6
    assert (rays[:, 2] == 1).all()


def test_distortion_counts():
    plain = Camera(420, 415, 322.5, 238.25)
    moved = np.abs(lens("plumb_bob").project(points()) - plain.project(points())).max()
    assert moved > 1


def test_pixels_beyond_the_lens_are_nan():
    camera = Camera(400, 400, 320, 240, distortion=(-0.4, 0.0, 0.0, 0.0, 0.0))
    rays = camera.unproject(np.array([[320.0, 240.0], [5000.0, 240.0], [np.nan, 3.0]]))
    assert np.isfinite(rays[0]).all() and np.isnan(rays[1:]).all()


@pytest.mark.parametrize("model", LENSES)
def test_mirrored_camera_sees_the_mirrored_world(model):
    camera = lens(model)
    flipped = camera.mirrored().project(points() * (-1, 1, 1))
    expected = camera.project(points())
    assert np.allclose(flipped[:, 0], 639 - expected[:, 0], atol=1e-9)
    assert np.allclose(flipped[:, 1], expected[:, 1], atol=1e-9)


def test_cropped_and_scaled_follow_the_pixels():
    camera = lens("plumb_bob")
    pixels = camera.project(points())
    assert np.allclose(camera.cropped(30, 40, 100, 90).project(points()), pixels - (30, 40))
    # cv2.resize puts the centre of pixel p at (p + 0.5) * s - 0.5
    assert np.allclose(camera.scaled(0.5, 2).project(points()), (pixels + 0.5) * (0.5, 2) - 0.5)
    assert (camera.scaled(0.5, 2).width, camera.scaled(0.5, 2).height) == (320, 960)


def test_field_of_view():
    camera = Camera.from_hfov(60, 640, 480)
    edge = camera.unproject(np.array([639.5, 239.5]))
    assert math.degrees(math.atan(edge[0])) == pytest.approx(30)


def info(**changes) -> SimpleNamespace:
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    values = {
        "width": 640, "height": 480, "binning_x": 0, "binning_y": 0, "roi": roi,
        "distortion_model": "plumb_bob", "d": [0.1, -0.2, 0.001, 0.002, 0.0],
        "k": [500.0, 0, 320, 0, 510, 240, 0, 0, 1],
        "p": [450.0, 0, 310, 0, 0, 460, 230, 0, 0, 0, 1, 0],
    }  # fmt: skip
    return SimpleNamespace(**{**values, **changes})


def test_camera_info_raw_and_rectified():
    raw = Camera.from_camera_info(info(), rectified=False)
    assert (raw.fx, raw.fy, raw.cx, raw.cy) == (500, 510, 320, 240)
    assert raw.distortion == (0.1, -0.2, 0.001, 0.002, 0.0) and raw.model == "plumb_bob"
    rectified = Camera.from_camera_info(info(), rectified=True)
    assert (rectified.fx, rectified.fy, rectified.cx, rectified.cy) == (450, 460, 310, 230)
    assert not rectified.is_distorted and rectified.width == 640


def test_camera_info_roi_then_binning():
    roi = SimpleNamespace(x_offset=100, y_offset=40, width=400, height=300)
    camera = Camera.from_camera_info(info(roi=roi, binning_x=2, binning_y=4), rectified=False)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (250, 127.5, 110, 50)
    assert (camera.width, camera.height) == (200, 75)


@pytest.mark.parametrize("rectified, name", [(False, "K"), (True, "P")])
def test_uncalibrated_camera_info_is_refused_by_name(rectified, name):
    with pytest.raises(ValueError, match=f"{name} is zero.*calibrate"):
        Camera.from_camera_info(info(k=[0.0] * 9, p=[0.0] * 12), rectified)


def test_camera_info_without_distortion_may_carry_any_model():
    for d in ([], [0.0] * 5):
        camera = Camera.from_camera_info(info(d=d, distortion_model="whatever"), rectified=False)
        assert camera.model == "none" and not camera.is_distorted


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"distortion_model": "brown"}, "model 'brown'"),
        ({"d": [0.1, 0.2]}, "coefficients"),
        ({"k": [500.0, 0, math.nan, 0, 500, 240, 0, 0, 1]}, "finite"),
        ({"k": [-500.0, 0, 320, 0, 500, 240, 0, 0, 1]}, "positive"),
    ],
)
def test_bad_camera_info_is_one_sentence(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        Camera.from_camera_info(info(**changes), rectified=False)


def test_shapes_are_kept():
    camera = lens("plumb_bob")
    assert camera.project(np.ones((2, 3, 3))).shape == (2, 3, 2)
    assert camera.unproject(np.ones((2, 3, 2))).shape == (2, 3, 3)
    assert camera.unproject(np.ones((0, 2))).shape == (0, 3)
