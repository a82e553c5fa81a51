# SPDX-License-Identifier: Apache-2.0
"""Frames sent to the network's device once, their crops cut there: the same hands."""

import warnings

import cv2
import numpy as np
import pytest
import torch

from benchmarks.clip import CLIP, read_truth
from benchmarks.network_golden import golden_model
from digit_core import boxes
from digit_core.crop import Crop, crop_for
from digit_core.decode import PX_PER_CELL
from digit_core.device_crops import same_joints
from digit_core.media import Media
from digit_core.pair import sigmoid
from digit_core.runtime import PoseRuntime
from digit_core.weights import load_networks

CPU = torch.device("cpu")
FP32_TOLERANCE = 1e-4


def close_to(found, expected):
    bound = FP32_TOLERANCE * max(float(np.abs(expected).max()), 1.0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound)


@pytest.fixture(scope="module")
def lite():
    return load_networks(device="cpu").pose


@pytest.fixture(scope="module")
def clip():
    """Twenty frames of the bundled clip, and each one's crops: of a hand, of the other, of both."""
    truth, frames = read_truth(CLIP), list(Media.open(CLIP).frames())
    chosen = range(0, len(frames), 10)
    joints = truth.joints_2d
    crops = [[crop_for(joints[k, 0]), crop_for(joints[k, 1])][: 1 + k % 3] for k in chosen]
    both = [Crop.around(boxes.tight(joints[k].reshape(-1, 2))) for k in chosen]
    return [frames[k] for k in chosen], [[*c, b] for c, b in zip(crops, both, strict=True)]


def joints_px(numbers):
    return numbers[:, :-3].reshape(len(numbers), -1, 5)[..., :2] * PX_PER_CELL


def test_crops_cut_where_the_network_runs(lite, clip):
    """In float32, several frames at once: within what one grey level and 1/32 of a pixel move."""
    images, crops = clip
    on_host = np.stack([c.cut(i) for i, some in zip(images, crops, strict=True) for c in some])
    pose = PoseRuntime(lite, CPU, "fp32", engine="torch")
    expected, parts = pose(on_host)
    numbers, parts_there = pose.from_frames(images, crops)
    shown = sigmoid(expected[:, None, -2:]).repeat(21, axis=2).reshape(len(expected), -1) > 0.5
    moved = np.linalg.norm(joints_px(numbers) - joints_px(expected), axis=-1)[shown]
    assert moved.size > 500
    assert np.median(moved) <= 0.1
    assert np.percentile(moved, 99) <= 0.5
    assert (parts_there.argmax(1) == parts.argmax(1)).float().mean() > 0.99


def test_frames_of_several_sizes(lite):
    """Answers stand in the order of the images, whatever runs together."""
    rng = np.random.default_rng(1)
    sizes = [(120, 160), (1300, 1800), (90, 90), (120, 160), (90, 90)]
    images = [cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), s[::-1]) for s in sizes]
    crops = [
        [Crop(s[1] / 2, s[0] / 2, 0.5 * s[0]), Crop(s[1] / 3, s[0] / 2, s[0])][: 1 + i % 2]
        for i, s in enumerate(sizes)
    ]
    pose = PoseRuntime(lite, CPU, "fp32", engine="torch")
    numbers, parts = pose.from_frames(images, crops)
    assert len(numbers) == len(parts) == sum(map(len, crops))
    at = 0
    for frame, some in zip(images, crops, strict=True):
        for crop in some:
            one, part = pose.from_frames([frame], [[crop]])
            close_to(numbers[at : at + 1], one)
            close_to(parts[at : at + 1].numpy(), part.numpy())
            at += 1


def test_any_memory_layout(lite, clip):
    """Views that are turned round, and of bytes that are not to be written, without a warning."""
    images, crops = clip
    pose = PoseRuntime(lite, CPU, "fp32", engine="torch")
    turned = images[0][:, ::-1]
    locked = np.ndarray(turned.shape, np.uint8, turned.tobytes())
    expected = pose.from_frames([turned.copy()], crops[:1])[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for image in (turned, locked):
            close_to(pose.from_frames([image], crops[:1])[0], expected)


def test_a_graph_that_answers_otherwise_is_not_the_same():
    numbers = np.random.default_rng(0).normal(30, 10, (2, 5 * 42 + 3)).astype(np.float32)
    assert same_joints(numbers + 1e-3, numbers)
    assert not same_joints(numbers + 5, numbers)
    assert not same_joints(numbers * np.nan, numbers)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_graph_equals_op_by_op(clip):
    device = torch.device("cuda")
    network = golden_model().float().to(device)
    images, crops = clip
    patches = np.stack([crop.cut(images[0]) for crop in crops[0]])
    for precision in ("fp32", "fp16", "bf16"):
        graph = PoseRuntime(network, device, precision, graphs=True)
        one_by_one = PoseRuntime(network, device, precision, graphs=False)
        for call, first, other in (
            ("__call__", (patches,), (patches[::-1].copy(),)),
            ("from_frames", (images[:1], crops[:1]), (images[1:2], crops[1:2])),
            ("from_frames", (images[:3], crops[:3]), (images[1:4], crops[1:4])),
        ):
            numbers, parts = getattr(graph, call)(*first)
            expected, _ = getattr(one_by_one, call)(*first)
            kept = parts.clone()
            getattr(graph, call)(*other)
            assert torch.equal(parts, kept)  # a later frame doesn't write over an earlier's parts
            np.testing.assert_allclose(numbers, expected, rtol=1e-3, atol=1e-2)
        assert graph.replayed
