# SPDX-License-Identifier: Apache-2.0
"""The tracker on the bundled clip, held against the clip's truth."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.clip import CLIP, Truth, follow, measure, read_truth
from benchmarks.crossings import rates
from digit_core import DigitEstimator, TwoHands, weights
from digit_core.media import Media


@pytest.mark.skipif(not weights.BUNDLED.is_file(), reason="there are no bundled weights yet")
def test_the_bundled_weights_follow_the_clip():
    truth = read_truth(CLIP)
    results = follow(CLIP, truth, DigitEstimator.load(device="cpu"))
    assert len(results) == len(truth.joints_2d)
    table = measure(results, truth)
    assert np.mean([figures["relative_mm"] for figures in table.values()]) <= 20
    for side, figures in table.items():
        print(side, figures)
        assert figures["found"] > 0.95
        assert figures["sides_exchanged"] == 0
        assert figures["median_2d_of_box"] <= 0.05
    found = rates(results, truth)
    assert (found["exchanged"], found["changes"]) == (0, 0)


@pytest.mark.skipif(not weights.BUNDLED.is_file(), reason="there are no bundled weights yet")
def test_sides_are_not_exchanged_at_a_fifth_of_the_frames():
    """The hands cross within a few pictures then."""
    truth, rows = read_truth(CLIP), slice(2, None, 5)
    track = DigitEstimator.load(device="cpu").tracker()
    frames = list(Media.open(CLIP).frames())[rows]
    results = [track(frame, truth.camera, 0.2 * k) for k, frame in enumerate(frames)]
    found = rates(results, replace(truth, joints_2d=truth.joints_2d[rows]))
    assert (found["exchanged"], found["changes"]) == (0, 0)
    assert found["dropped"] <= 0.1 * found["hand_frames"]


def test_the_truth_agrees_with_itself():
    truth = read_truth(CLIP)
    projected = truth.camera.project(truth.joints_3d)
    assert np.abs(projected - truth.joints_2d).max() < 0.1


def test_the_measure_sees_errors_and_exchanges(made, estimator_of, blank):
    truth = read_truth(CLIP)
    scene = made.Scene(truth.camera)
    estimator = estimator_of(scene, hand_size_m=truth.hand_size_m)
    results = []
    for k in (0, 40, 80):
        scene.hands = {side: truth.joints_3d[k, i] for i, side in enumerate(("right", "left"))}
        scene.presence = scene.detector = dict.fromkeys(scene.hands, 5.0)
        scene.named = {side: side for side in scene.hands}
        results.append(estimator(blank, truth.camera))
    some = truth.__class__(
        truth.joints_2d[[0, 40, 80]], truth.joints_3d[[0, 40, 80]],
        truth.hand_size_m, truth.fps, truth.camera,
    )  # fmt: skip
    good = measure(results, some)["right"]
    assert good["found"] == 1 and good["sides_exchanged"] == 0
    assert good["median_2d_of_box"] < 1e-3 and good["relative_mm"] < 3 and good["wrist_mm"] < 20
    exchanged = [TwoHands(hands.left, hands.right, hands.segmentation) for hands in results]
    assert measure(exchanged, some)["left"]["sides_exchanged"] == 1


def test_losses_and_exchanges_are_counted():
    truth = read_truth(CLIP)

    def told(k, right, left):
        """Of frame k the truth of hands 0 and 1, or None, as the right and the left."""
        hands = [None if i is None else SimpleNamespace(joints_2d=truth.joints_2d[k, i])
                 for i in (right, left)]  # fmt: skip
        return TwoHands(*hands, np.zeros((1, 1), np.uint8))

    results = [told(0, 0, 1), told(1, 1, 0), told(2, 1, None), told(3, 0, 1)]
    some = Truth(truth.joints_2d[:4], truth.joints_3d[:4], 0.19, 25.0, truth.camera)
    found = rates(results, some)
    assert found == {"hand_frames": 8, "dropped": 1, "exchanged": 3, "changes": 4}


@pytest.mark.skipif(not weights.BUNDLED.is_file(), reason="there are no bundled weights yet")
def test_crops_cut_where_the_network_runs_are_tracked_alike():
    """The way through the estimator that CUDA takes, here on a CPU."""
    truth, frames = read_truth(CLIP), list(Media.open(CLIP).frames())[::10]
    found = {}
    for on_device in (False, True):
        estimator = DigitEstimator.load(device="cpu", precision="fp32")
        estimator._pose.cuts = on_device
        tracks = [estimator.tracker(), estimator.tracker()]
        pairs = zip(frames, frames[::-1], strict=True)
        found[on_device] = [
            hands
            for k, (one, other) in enumerate(pairs)
            for hands in estimator.batch(
                [(tracks[0], one, truth.camera, k / 2), (tracks[1], other, truth.camera, k / 2)]
            )
        ]
    moved = [
        np.linalg.norm(getattr(a, side).joints_2d - getattr(b, side).joints_2d, axis=1)
        for a, b in zip(found[False], found[True], strict=True)
        for side in ("right", "left")
        if getattr(a, side) and getattr(b, side)
    ]
    assert len(moved) > 2 * len(frames)
    joints = np.concatenate(moved)
    joints = joints[np.isfinite(joints)]
    # A crop follows from the answer before, so that what is small goes on.
    assert np.median(joints) < 0.1
    assert np.percentile(joints, 95) < 2.0
