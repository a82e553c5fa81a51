# SPDX-License-Identifier: Apache-2.0
"""The vote over views: places, sides, what is believed, and when a picture is decided."""

from dataclasses import replace

import numpy as np
import pytest

from training.label_photos.looks import Look, Sighting, as_seen, close_looks, turned, whole_looks
from training.label_photos.vote import AGREE, LEAST_VIEWS, distance, found_places, vote

WIDTH, HEIGHT = 400, 300


def hand(x: float, y: float, extent: float = 80, seed: int = 0) -> np.ndarray:
    """(21, 2) joints whose box has that longer side."""
    points = np.random.default_rng(seed).uniform(-0.5, 0.5, (21, 2))
    points[:2] = [-0.5, -0.5], [0.5, 0.5]
    return points * extent + (x, y)


def views(side: str, joints: np.ndarray, count: int, start: int = 0, off: float = 0.01):
    """So many views of one hand, their joints off by that share of the extent."""
    rng = np.random.default_rng(start + 1)
    extent = np.ptp(joints, axis=0).max()
    return [
        Sighting(side, joints + rng.normal(0, off * extent, (21, 2)), start + i)
        for i in range(count)
    ]


def decide(*seen, **more):
    return vote([s for some in seen for s in some], WIDTH, HEIGHT, **more)


def test_two_hands_that_views_agree_on_are_told_with_their_sides():
    right, left = hand(100, 100), hand(280, 150, seed=1)
    result = decide(views("left", left, 6), views("right", right, 5, 10))
    assert [(h.side, h.support) for h in result.hands] == [("right", 5), ("left", 6)]
    assert distance(result.hands[0].joints, right) < 0.01
    assert distance(result.hands[1].joints, left) < 0.01
    assert result.complete and all(h.sure.all() and h.spread < AGREE for h in result.hands)


@pytest.mark.parametrize("count, told", [(LEAST_VIEWS - 1, 0), (LEAST_VIEWS, 1)])
def test_it_takes_four_views(count, told):
    result = decide(views("right", hand(100, 100), count))
    assert len(result.hands) == told and result.complete == bool(told)


def test_a_view_counts_once_however_often_it_tells_a_hand():
    one = views("right", hand(100, 100), 1) * 6
    assert not decide(one).hands


def test_views_that_do_not_agree_leave_the_picture_undecided():
    other = hand(100, 100, seed=3)
    result = decide(views("right", hand(100, 100), 3), views("right", other, 3, 10))
    assert not result.hands and not result.complete


def test_views_that_do_not_agree_on_the_side_leave_it_undecided():
    joints = hand(100, 100)
    result = decide(views("right", joints, 5), views("left", joints, 4, 10))
    assert not result.hands and not result.complete
    (hand_,) = decide(views("right", joints, 6), views("left", joints, 1, 10)).hands
    assert (hand_.side, hand_.support) == ("right", 6)


def test_many_views_laid_about_a_place_and_few_that_see_a_hand_are_no_hand():
    joints = hand(100, 100)
    seen = views("right", joints, 5)
    assert decide(seen, looked_at=[joints] * 10).hands
    assert not decide(seen, looked_at=[joints] * 14).hands
    assert decide(seen, looked_at=[hand(300, 200)] * 14).hands


def test_a_hand_seen_by_a_few_views_elsewhere_leaves_the_picture_open():
    result = decide(views("right", hand(100, 100), 6), views("left", hand(300, 200), 2, 10))
    assert len(result.hands) == 1 and not result.complete
    assert [p.views for p in result.undecided] == [2]


def test_a_bad_reading_of_a_believed_hand_leaves_nothing_open():
    joints = hand(100, 100)
    smaller = hand(100, 100, 40, seed=5)
    seen = views("right", joints, 6)
    assert decide(seen, views("right", smaller, 3, 10)).complete
    assert decide(seen, views("left", smaller, 1, 10)).complete
    # Two views that tell the other side may have seen another hand on top.
    assert not decide(seen, views("left", smaller, 2, 10)).complete


def test_of_two_hands_of_one_side_the_larger_is_told_and_the_picture_is_open():
    near, far = hand(100, 100, 90), hand(300, 200, 50, seed=1)
    result = decide(views("right", far, 6), views("right", near, 5, 10))
    assert [h.support for h in result.hands] == [5] and not result.complete


def test_joints_that_views_do_not_agree_on_or_outside_of_the_picture_are_not_sure():
    joints = hand(100, 100)
    seen = views("right", joints, 8, off=0.002)
    for i, sighting in enumerate(seen):
        sighting.joints[7] += (40 if i % 2 else -40, 0)
    sure = decide(seen).hands[0].sure
    assert not sure[7] and sure.sum() == 20
    edge = decide(views("right", joints - (100, 0), 6)).hands[0]
    np.testing.assert_array_equal(edge.sure, edge.joints[:, 0] >= 0)


def test_joints_that_a_view_does_not_know_do_not_count():
    joints = hand(100, 100)
    seen = views("right", joints, 6)
    seen[0].joints[3] = np.nan
    (told,) = decide(seen).hands
    assert np.isfinite(told.joints).all()
    assert distance(np.where(np.arange(21)[:, None] < 20, np.nan, joints), joints) == 0
    assert distance(np.full((21, 2), np.nan), joints) == np.inf


def test_nothing_seen_is_a_picture_without_hands():
    result = vote([], WIDTH, HEIGHT)
    assert result.complete and not result.hands and not found_places([])


def test_plain_is_a_hand_seen_in_the_picture_as_it_is():
    seen = views("right", hand(100, 100), 6)
    assert not decide(seen).hands[0].plain
    assert decide([replace(seen[0], first=True), *seen[1:]]).hands[0].plain


def looks():
    joints = hand(150, 120, 60)
    return [*whole_looks(WIDTH, HEIGHT), *close_looks(joints, 0), *close_looks(joints, 1)]


@pytest.mark.parametrize("number", range(len(looks())))
def test_what_a_view_shows_is_told_of_the_picture(number):
    """A teacher that sees a view right gives the truth back, the side of a mirrored one too."""
    look, joints = looks()[number], hand(150, 120, 60)
    world = np.random.default_rng(0).normal(0, 0.05, (21, 3))
    side = "left" if look.view.mirrored else "right"
    shown = world.copy()
    shown[:, :2] = shown[:, :2] @ look.view.turn
    seen = as_seen(look, number, side, look.view.from_photo(joints), shown)
    assert (seen.side, seen.view) == ("right", number)
    np.testing.assert_allclose(seen.joints, joints, atol=1e-9)
    np.testing.assert_allclose(seen.world, world, atol=1e-12)


def test_views_are_mirrored_turned_and_of_several_scales():
    whole, close = whole_looks(WIDTH, HEIGHT), close_looks(hand(150, 120, 60), 0)
    assert [look.first for look in whole] == [True] + [False] * (len(whole) - 1)
    assert len({look.view.side for look in close}) >= 3
    assert {look.view.mirrored for look in close} == {True, False}
    np.testing.assert_allclose(turned(90, False) @ [1, 0], [0, 1], atol=1e-12)
    for look in close:
        shown = look.view.from_photo(hand(150, 120, 60))
        assert (shown > 0).all() and (shown < look.view.size).all()
        assert isinstance(look, Look) and not look.low


def test_tiles_show_every_place_of_the_picture():
    tiles = whole_looks(WIDTH, HEIGHT)[3:]
    corners = np.array([[1, 1], [398, 1], [1, 298], [398, 298], [200, 150]], float)
    for point in corners:
        shown = [t.view.from_photo(point) for t in tiles]
        sizes = [t.view.size for t in tiles]
        assert any((s >= 0).all() and (s < n).all() for s, n in zip(shown, sizes, strict=True))
