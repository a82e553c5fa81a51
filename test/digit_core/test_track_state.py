# SPDX-License-Identifier: Apache-2.0
"""A stream's state: told in plain numbers, made again, and gone on with to the last bit."""

import json
from dataclasses import replace

import numpy as np
import pytest

from digit_core import ImageRequest, Settings, TrackState
from digit_core.depth_image import DepthImage
from digit_core.hand_size import HandScale
from digit_core.one_euro import OneEuroSettings

ARRAYS = ("joints_2d", "joints_relative", "joints_3d", "joint_confidence", "joint_sigma_px", "box",
          "valid", "wrist_orientation")  # fmt: skip


@pytest.fixture
def scene(made, camera):
    return made.Scene(
        camera,
        right=made.placed_hand("right", (-0.1, 0.05, 0.6)),
        left=made.placed_hand("left", (0.1, 0.08, 0.7)),
    )


def moved(scene, made, number):
    """The scene at image `number`: hands move, and the left one is away for a while."""
    scene.hands["right"] = made.placed_hand("right", (-0.1 + 0.007 * number, 0.05, 0.6))
    scene.presence["left"] = -3.0 if number in (5, 6) else 6.0


def request(blank, camera, number):
    wall = DepthImage(np.full((480, 640), 0.66, np.float32))
    return ImageRequest(blank, camera, 5.0 + number / 30, depth=wall)


def again(state):
    """The state as a file keeps it."""
    return TrackState.from_dict(json.loads(json.dumps(state.to_dict(), allow_nan=False)))


def same(one, other):
    for side in ("right", "left"):
        a, b = getattr(one, side), getattr(other, side)
        assert (a is None) == (b is None)
        for name in ARRAYS if a else ():
            assert getattr(a, name).tobytes() == getattr(b, name).tobytes(), name
        assert a is None or (a.confidence, a.depth_sigma) == (b.confidence, b.depth_sigma)


def test_a_stream_goes_on_from_plain_numbers_to_the_last_bit(
    made, scene, estimator_of, camera, blank
):
    settings = Settings(detect_every=3, position_filter=OneEuroSettings(1.1, 2.3))
    estimator = estimator_of(scene, settings)
    unbroken = TrackState(settings, HandScale.of(0.2))
    resumed = TrackState(settings, HandScale.of(0.2))
    for number in range(12):
        moved(scene, made, number)
        resumed = again(resumed)
        (expected,) = estimator.run([(unbroken, request(blank, camera, number))])
        (found,) = estimator.run([(resumed, request(blank, camera, number))])
        same(expected, found)
        same(expected.raw, found.raw)
        assert resumed.to_dict() == unbroken.to_dict()
    assert unbroken.size_learner.to_dict()["given"] and unbroken.filters and unbroken.held


def test_all_fields_come_back(made, scene, estimator_of, camera, blank):
    state = TrackState(Settings(mirrored=True), HandScale.of(0.17), most_places=2)
    estimator_of(scene).run([(state, request(blank, camera, 0))])
    state.together, state.swaps = True, 3
    found = again(state)
    assert (found.settings, found.scale) == (state.settings, state.scale)
    names = ("most_places", "stamp_s", "together", "swaps", "images_to_search")
    assert [getattr(found, n) for n in names] == [getattr(state, n) for n in names]
    assert list(found.held) == list(state.held) == ["right", "left"]
    assert found.held["left"].joints_2d.tobytes() == state.held["left"].joints_2d.tobytes()
    assert again(TrackState()).to_dict() == TrackState().to_dict()


def test_run_updates_the_states_in_place_and_the_thin_calls_agree(
    scene, estimator_of, camera, blank
):
    estimator = estimator_of(scene)
    state, track = TrackState(estimator.settings, estimator.scale), estimator.tracker()
    for number in range(3):
        stamp_s = number / 30
        (found,) = estimator.run([(state, ImageRequest(blank, camera, stamp_s))])
        same(found, track(blank, camera, stamp_s))
    assert state.to_dict() == track.state.to_dict() and set(state.held) == {"right", "left"}
    alone = TrackState(replace(estimator.settings, smooth=False), estimator.scale)
    same(estimator.run([(alone, ImageRequest(blank, camera))])[0], estimator(blank, camera))


def test_depth_may_be_given_or_asked_for_and_is_never_told(scene, estimator_of, camera, blank):
    asked, wall = [], DepthImage(np.full((480, 640), 0.62, np.float32))

    def give():
        asked.append(True)
        return wall

    estimator = estimator_of(scene)
    states = [TrackState(), TrackState()]
    given = [ImageRequest(blank, camera, 1.0, depth=one) for one in (wall, give)]
    first, second = estimator.run(list(zip(states, given, strict=True)))
    same(first, second)
    assert asked == [True] and first.right.depth_source.name == "DEPTH_IMAGE"
    assert len(json.dumps(states[1].to_dict())) < 20_000


def spoil(*path, to):
    def change(values):
        place = values
        for step in path[:-1]:
            place = place[step]
        if to is KeyError:
            del place[path[-1]]
        else:
            place[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (spoil("stamp_s", to=KeyError), "'stamp_s' is missing"),
        (spoil("stamp_s", to="now"), "stamp_s: expected numbers"),
        (spoil("swaps", to=1.5), "swaps: expected a whole number"),
        (spoil("held", to=[1]), "list"),
        (spoil("held", "middle", to={}), "side 'middle': expected one of right, left"),
        (spoil("held", "left", "box", to=[1, 2, 3]), "box: expected numbers of shape"),
        (spoil("held", "left", "box", to=[1, 2, 0, 0]), "box: expected width and height"),
        (spoil("held", "left", "joints_2d", 3, 0, to=None), "joints_2d: expected finite"),
        (spoil("held", "left", "joints_2d", 3, 0, to=10**400), "joints_2d: expected numbers"),
        (spoil("filters", "left", "pixels", "raw", to=[[1.0]]), "raw: expected numbers of shape"),
        (spoil("settings", "presence_on", to=7), "presence_on: 7: expected a probability"),
        (spoil("settings", "colour", to=7), "colour"),
        (spoil("scale", "size_m", to=9), "hand size must lie"),
        (spoil("size_learner", "given", to={"size_m": 7}), "hand size must lie"),
    ],
)
def test_what_is_no_state_is_one_sentence(scene, estimator_of, camera, blank, change, words):
    state = TrackState()
    estimator_of(scene).run([(state, ImageRequest(blank, camera, 1.0))])
    values = json.loads(json.dumps(state.to_dict()))
    change(values)
    with pytest.raises(ValueError, match=f"^track state: .*{words}"):
        TrackState.from_dict(values)
