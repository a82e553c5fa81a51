# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from digit_core import Settings
from digit_core.one_euro import OneEuroSettings
from digit_core.tracking import wants_detection

RAW = Settings(smooth=False)


@pytest.fixture
def scene(made, camera):
    return made.Scene(
        camera,
        right=made.placed_hand("right", (-0.18, 0.05, 0.6)),
        left=made.placed_hand("left", (0.18, 0.08, 0.7)),
    )


def follow(track, image, camera, frames: int, start: int = 0):
    for i in range(start, start + frames):
        hands = track(image, camera, i / 30)
    return hands


def test_the_detector_runs_only_when_nothing_is_followed(scene, estimator_of, camera, blank):
    estimator = estimator_of(scene)
    track = estimator.tracker()
    hands = follow(track, blank, camera, 20)
    assert hands.right is not None and hands.left is not None
    assert estimator.networks.detector.calls == 1
    assert len(estimator.networks.pose.batches) == 21  # the first image is looked at twice


def test_a_missing_hand_is_searched_every_few_frames(scene, estimator_of, camera, blank):
    estimator = estimator_of(scene)
    left = scene.hands.pop("left")
    track = estimator.tracker(Settings(detect_every=5))
    assert follow(track, blank, camera, 21).left is None
    assert 4 <= estimator.networks.detector.calls <= 6
    scene.hands["left"] = left
    assert follow(track, blank, camera, 6, start=21).left is not None


def test_an_empty_scene_is_searched_every_frame(scene, estimator_of, camera, blank):
    estimator, hands = estimator_of(scene), dict(scene.hands)
    scene.hands = {}
    track = estimator.tracker()
    follow(track, blank, camera, 7)
    assert estimator.networks.detector.calls == 7
    scene.hands = hands
    assert len(list(follow(track, blank, camera, 1, start=7))) == 2


def test_presence_has_hysteresis(scene, estimator_of, camera, blank):
    settings = Settings(presence_on=0.6, presence_off=0.3)
    track = estimator_of(scene).tracker(settings)
    scene.presence["right"] = 0.0  # 0.5: not enough to appear
    assert follow(track, blank, camera, 2).right is None
    scene.presence["right"] = 1.0
    assert follow(track, blank, camera, 20, start=2).right is not None
    scene.presence["right"] = 0.0  # but enough to stay
    assert follow(track, blank, camera, 5, start=22).right is not None
    scene.presence["right"] = -1.5
    assert follow(track, blank, camera, 1, start=27).right is None


def test_moving_hands_are_followed(made, scene, estimator_of, camera, blank):
    estimator = estimator_of(scene)
    track = estimator.tracker(RAW)
    for i in range(40):
        x = -0.18 + 0.006 * i  # crosses in front of the left hand's place
        scene.hands["right"] = made.placed_hand("right", (x, -0.02, 0.55))
        hands = track(blank, camera, i / 30)
        for side in ("right", "left"):
            error = np.abs(getattr(hands, side).joints_2d - scene.pixels(side)).max()
            assert error < 0.1, (i, side)
    assert estimator.networks.detector.calls == 1
    assert set(estimator.networks.pose.batches) == {1, 2}  # together for a while


def test_an_exchange_of_sides_in_one_frame_is_undone(made, camera, estimator_of, blank):
    scene = made.Scene(
        camera,
        right=made.placed_hand("right", (-0.06, 0.05, 0.6)),
        left=made.placed_hand("left", (0.06, 0.05, 0.6)),
    )
    track = estimator_of(scene).tracker(RAW)
    follow(track, blank, camera, 3)
    scene.named = {"right": "left", "left": "right"}  # what the network calls them now
    hands = follow(track, blank, camera, 3, start=3)
    assert np.abs(hands.right.joints_2d - scene.pixels("right")).max() < 0.1
    assert set(np.unique(hands.segmentation)) == {0, 9, 25}
    middle = np.median(scene.pixels("right")[:, 0]), np.median(scene.pixels("left")[:, 0])
    columns = [(hands.segmentation == palm).nonzero()[1].mean() for palm in (9, 25)]
    assert abs(columns[0] - middle[0]) < abs(columns[0] - middle[1])
    # A network that insists is believed in the end: the first frames were then the wrong ones.
    hands = follow(track, blank, camera, 12, start=6)
    assert np.abs(hands.right.joints_2d - scene.pixels("left")).max() < 0.1


def test_one_contrary_frame_does_not_turn_a_single_hand_s_side(made, camera, estimator_of, blank):
    scene = made.Scene(camera, right=made.placed_hand("right"))
    track = estimator_of(scene).tracker(RAW)
    follow(track, blank, camera, 3)
    scene.named = {"right": "left"}
    scene.presence["right"] = 1.0
    hands = follow(track, blank, camera, 1, start=3)
    assert hands.right is not None and hands.left is None
    scene.presence["right"] = 6.0
    hands = follow(track, blank, camera, 25, start=4)
    assert hands.left is not None and hands.right is None


def test_smoothing_calms_jitter_and_keeps_the_raw_beside(scene, estimator_of, camera, blank):
    rng = np.random.default_rng(0)
    still = scene.hands["right"].copy()
    track = estimator_of(scene).tracker(
        Settings(position_filter=OneEuroSettings(min_cutoff_hz=1.0, beta=1.0))
    )
    smooth, raw = [], []
    for i in range(60):
        scene.hands["right"] = still + rng.normal(0, 0.002, still.shape)
        hands = track(blank, camera, i / 30)
        smooth.append(hands.right.joints_2d)
        raw.append(hands.raw.right.joints_2d)
    assert np.std(smooth[20:], axis=0).mean() < 0.5 * np.std(raw[20:], axis=0).mean()
    hand = hands.right
    # Filtered pixels, depths and 3D belong together.
    assert np.abs(camera.project(hand.joints_3d) - hand.joints_2d).max() < 0.01
    assert np.allclose(hand.joints_3d - hand.joints_3d[0], hand.joints_relative, atol=1e-6)


def test_without_smoothing_there_is_no_raw(scene, estimator_of, camera, blank):
    assert follow(estimator_of(scene).tracker(RAW), blank, camera, 2).raw is None
    assert follow(estimator_of(scene).tracker(), blank, camera, 2).raw is not None


@pytest.mark.parametrize("stamps", [(10.0, 3.0), (10.0, 15.0)])
def test_a_clock_that_jumps_starts_afresh(scene, estimator_of, camera, blank, stamps):
    estimator = estimator_of(scene)
    track = estimator.tracker()
    for stamp in stamps:
        assert len(list(track(blank, camera, stamp))) == 2
    assert estimator.networks.detector.calls == 2


def test_reset_forgets(scene, estimator_of, camera, blank):
    estimator = estimator_of(scene)
    track = estimator.tracker()
    follow(track, blank, camera, 3)
    track.reset()
    follow(track, blank, camera, 1, start=3)
    assert estimator.networks.detector.calls == 2


def test_settings_may_change_between_frames(scene, estimator_of, camera, blank):
    track = estimator_of(scene).tracker()
    follow(track, blank, camera, 2)
    scene.presence["right"] = 1.0
    track.settings = Settings(presence_on=0.95, presence_off=0.9)
    assert follow(track, blank, camera, 1, start=2).right is None


def test_a_batch_of_streams_is_one_pass_and_the_same_result(scene, estimator_of, camera, blank):
    estimator = estimator_of(scene)
    alone = [estimator.tracker() for _ in range(3)]
    expected = [[t(blank, camera, i / 30) for i in range(3)] for t in alone]
    estimator.networks.pose.batches.clear()
    tracks = [estimator.tracker() for _ in range(3)]
    for i in range(3):
        results = estimator.batch([(t, blank, camera, i / 30) for t in tracks])
        for result, ours in zip(results, expected, strict=True):
            assert np.allclose(result.left.joints_3d, ours[i].left.joints_3d, atol=1e-6)
    assert estimator.networks.pose.batches == [6, 6, 6, 6]  # the first images twice


def test_a_batch_may_mix_sizes_and_cameras(scene, estimator_of, camera, blank):
    estimator = estimator_of(scene)
    small = np.zeros((48, 64, 3), np.uint8)
    jobs = [(estimator.tracker(), blank, camera, 0.0), (estimator.tracker(), small, None, 0.0)]
    first, second = estimator.batch(jobs)
    assert first.segmentation.shape == (480, 640) and second.segmentation.shape == (48, 64)
    assert first.right.joints_3d is not None
    assert estimator.batch([]) == []


def test_a_bad_image_in_a_batch_moves_no_tracker(scene, estimator_of, camera, blank):
    estimator = estimator_of(scene)
    good, bad = estimator.tracker(), estimator.tracker()
    with pytest.raises(ValueError, match="image"):
        estimator.batch([(good, blank, camera, 0.0), (bad, blank[..., 0], camera, 0.0)])
    assert good.state.stamp_s is None and wants_detection(good.state)
    assert estimator.networks.detector.calls == 0
    with pytest.raises(ValueError, match="twice"):
        estimator.batch([(good, blank, camera, 0.0), (good, blank, camera, 0.1)])


@pytest.mark.parametrize(
    "values, name",
    [
        ({"presence_on": 1.5}, "presence_on"),
        ({"presence_off": 0.9}, "presence_off"),
        ({"detect_every": 0}, "detect_every"),
        ({"detection_threshold": 0.0}, "detection_threshold"),
    ],
)
def test_settings_out_of_range_are_named(values, name):
    with pytest.raises(ValueError, match=name):
        Settings(**values)
