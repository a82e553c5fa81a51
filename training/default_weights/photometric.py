# SPDX-License-Identifier: Apache-2.0
"""What cameras do to pictures: colour, blur, low resolution, noise, compression; and cut-outs."""

import cv2
import numpy as np


def degrade(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random mixture of camera faults; (H, W, 3) uint8 in and out."""
    if rng.random() < 0.85:
        rgb = _colour(rgb, rng)
    if rng.random() < 0.25:
        rgb = (
            _motion_blur(rgb, rng)
            if rng.random() < 0.5
            else cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.4, 1.8))
        )
    if rng.random() < 0.25:
        rgb = _low_resolution(rgb, rng)
    if rng.random() < 0.35:
        cv2.setRNGSeed(int(rng.integers(2**31 - 1)))
        noise = np.empty(rgb.shape, np.int16)
        cv2.randn(noise, 0, float(rng.gamma(1.5, 4.0)) + 1.0)
        rgb = cv2.add(rgb, noise, dtype=cv2.CV_8U)
    if rng.random() < 0.25:
        _, code = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 80))])
        rgb = cv2.imdecode(code, cv2.IMREAD_COLOR)
    return rgb


def cut_out(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cover a random rectangle with a colour, as something in front would."""
    h, w = rgb.shape[:2]
    size = rng.uniform(0.08, 0.3, 2) * (w, h)
    x, y = rng.uniform(0, 1, 2) * (w, h) - size / 2
    rgb = np.ascontiguousarray(rgb)
    a, b = (int(x), int(y)), (int(x + size[0]), int(y + size[1]))
    cv2.rectangle(rgb, a, b, tuple(map(float, rng.uniform(0, 255, 3))), -1)
    return rgb


def replace_background(rgb: np.ndarray, drawn: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Exchange what is behind everything drawn, with a soft edge.

    Args:
        rgb: (H, W, 3) uint8.
        drawn: (H, W) uint8, not 0 where something was drawn.
        background: picture of any size.
    """
    h, w = rgb.shape[:2]
    mask = cv2.blur((drawn > 0).astype(np.float32), (3, 3))
    background = cv2.resize(background, (w, h))
    return cv2.blendLinear(rgb, background, mask, 1 - mask)


def _colour(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    table = np.arange(256, dtype=np.float32)[:, None] / 255
    table = table ** np.exp(rng.normal(0, 0.22))
    table = (table - 0.5) * np.exp(rng.normal(0, 0.2)) + 0.5 + rng.normal(0, 0.07)
    table = table * (1 + rng.normal(0, 0.07, (1, 3)))
    out = cv2.LUT(rgb, (np.clip(table, 0, 1) * 255).astype(np.uint8)[None])
    saturation = 0.0 if rng.random() < 0.06 else np.exp(rng.normal(0, 0.25))
    grey = cv2.cvtColor(out, cv2.COLOR_RGB2GRAY)[..., None]
    return cv2.addWeighted(out, saturation, np.repeat(grey, 3, 2), 1 - saturation, 0)


def _motion_blur(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    n = int(rng.integers(3, 10))
    kernel = np.zeros((n, n), np.float32)
    angle = rng.uniform(0, np.pi)
    c, d = (n - 1) / 2, np.array([np.cos(angle), np.sin(angle)]) * n / 2
    cv2.line(kernel, tuple(map(int, c - d)), tuple(map(int, c + d)), 1.0)
    return cv2.filter2D(rgb, -1, kernel / max(kernel.sum(), 1.0))


def _low_resolution(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    h, w = rgb.shape[:2]
    s = rng.uniform(0.25, 0.8)
    small = cv2.resize(rgb, (max(8, int(w * s)), max(8, int(h * s))), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR)
