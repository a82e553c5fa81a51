# SPDX-License-Identifier: Apache-2.0
"""Labelled photos in training: how they are read, drawn, turned and masked."""

import json
from collections import Counter

import cv2
import numpy as np
import pytest
import torch

from digit_core.network.detector import STRIDE, UNIT_SIDE_PX
from digit_core.network.lite import DigitLite
from digit_core.skeleton import NETWORK_WRIST
from training.default_weights.losses import UNKNOWN_PART, part_loss, pose_losses
from training.default_weights.photo_batches import PhotoBatches, pose_photo_targets
from training.default_weights.photo_views import View, around, random_turn
from training.default_weights.photos import Choice, Photo, PhotoHand, category_of, read_photos
from training.default_weights.stream import Stage, Stream

_ANY = (Stage(10**15),)


def joints_about(x: float, y: float, extent: float, seed: int = 0) -> np.ndarray:
    points = np.random.default_rng(seed).uniform(-0.5, 0.5, (21, 2))
    points[:2] = [-0.5, -0.5], [0.5, 0.5]
    return points * extent + (x, y)


def hand(side: str, *place: float) -> dict:
    joints = joints_about(*place)
    low, extent = joints.min(0), np.ptp(joints, axis=0)
    box = [*low.tolist(), *extent.tolist()]
    return {"side": side, "bbox": box, "keypoints_2d": joints.tolist()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures of 320x240 with a dot at each joint: one hand, two, none, and one of unknown."""
    root = tmp_path_factory.mktemp("photos")
    entries = []

    def add(name, source, hands, **more):
        image = np.full((240, 320, 3), 90, np.uint8)
        for labelled in hands:
            for x, y in np.array(labelled["keypoints_2d"]).round().astype(int).tolist():
                cv2.circle(image, (x, y), 3, (250, 250, 250), cv2.FILLED)
        cv2.imwrite(str(root / name), image)
        entries.append({"image": name, "source": source, "hands": hands, **more})

    for i in range(9):
        add(f"one{i}.png", f"a/big/{i}", [hand("right", 150, 120, 80)], complete=True)
    add("two.png", "b/pair/1", [hand("right", 90, 90, 60), hand("left", 140, 100, 70)])
    add("none.png", "b/pair/2", [], complete=True)
    add("open.png", "c/open/1", [hand("left", 200, 100, 90)], complete=False)
    add("held.png", "d/val/1", [hand("left", 200, 100, 90)], split="val")
    (root / "labels.json").write_text(json.dumps(entries))
    return root


@pytest.fixture(scope="module")
def photos(folder):
    return read_photos([folder])


def test_splits_and_excluded_repositories_are_left_out(folder):
    assert len(read_photos([folder])) == 12  # an entry without a split is of any
    assert len(read_photos([folder], "val")) == 13
    assert {p.repository for p in read_photos([folder], exclude=["a/big"])} == {"b/pair", "c/open"}
    with pytest.raises(ValueError, match="holds no photos of split 'x'"):
        read_photos([folder], "x", exclude=["a/big", "b/pair", "c/open"])


def test_categories_follow_from_the_hands():
    apart = [
        PhotoHand("right", joints_about(50, 50, 40)),
        PhotoHand("left", joints_about(150, 50, 40)),
    ]
    near = [apart[0], PhotoHand("left", joints_about(70, 50, 40))]
    assert [category_of(h) for h in ([], apart[:1], apart, near)] == [
        "no hands", "single", "two_separate", "two_interacting",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change, said",
    [
        ({"side": "both"}, "side 'both', expected one of right, left"),
        ({"keypoints_2d": [[0, 1]] * 20}, "reshape"),
        ({"keypoints_2d": [[float("nan"), 1]] * 21}, "not finite"),
    ],
)
def test_labels_that_are_wrong_name_their_entry(tmp_path, change, said):
    entry = {"image": "a.png", "hands": [{**hand("right", 9, 9, 9), **change}]}
    (tmp_path / "labels.json").write_text(json.dumps([entry]))
    with pytest.raises(ValueError, match=rf"labels\.json: entry 0: .*{said}"):
        read_photos([tmp_path])


def test_a_picture_that_is_missing_is_named(folder):
    with pytest.raises(ValueError, match=r"gone\.png: missing"):
        _ = Photo(folder / "gone.png", ()).image


def test_repositories_are_drawn_by_the_root_of_their_size(photos):
    rng, choice = np.random.default_rng(1), Choice([p for p in photos if p.repository != "c/open"])
    drawn = Counter(choice.draw(rng).repository for _ in range(6000))
    assert drawn["a/big"] / drawn["b/pair"] == pytest.approx((9 / 2) ** 0.5, rel=0.1)


@pytest.mark.parametrize("seed", range(8))
def test_a_view_shows_joints_where_it_says(photos, seed):
    rng, photo = np.random.default_rng(seed), photos[0]
    view = around(rng, photo.hands[0].joints, (1.2, 3.0), 0.05, 128)
    patch = view.cut(photo.image, 0)
    for x, y in view.from_photo(photo.hands[0].joints):
        if 2 < x < 125 and 2 < y < 125:
            assert patch[round(y), round(x)].min() > 150
    background = np.median(patch[patch.max(2) < 120])
    assert background in (0, 90)


def test_a_view_of_all_is_the_photo_itself(photos):
    image = photos[0].image
    view = View(np.array([159.5, 119.5]), 320.0, np.eye(2), 320)
    np.testing.assert_array_equal(view.cut(image, 7)[40:280], image)
    assert (view.cut(image, 7)[:39] == 7).all()


def test_turns_are_rotations_and_half_of_them_mirror():
    rng = np.random.default_rng(0)
    turns = [random_turn(rng) for _ in range(400)]
    for turn in turns[:20]:
        np.testing.assert_allclose(turn @ turn.T, np.eye(2), atol=1e-12)
    mirrored = np.mean([np.linalg.det(turn) < 0 for turn in turns])
    assert 0.4 < mirrored < 0.6


def by_name(photos, name):
    return next(photo for photo in photos if photo.path.name == name)


def plain(size: int = 320, flip: float = 1.0) -> View:
    return View(np.array([159.5, 119.5]), 320.0, np.diag([flip, 1.0]), size)


def test_what_a_photo_cannot_tell_is_masked(photos):
    views = [(by_name(photos, name), plain()) for name in ("two.png", "none.png", "open.png")]
    targets = pose_photo_targets(views, 320)
    assert targets["hands"].tolist() == [[1, 1], [0, 0], [0, 1]]
    assert targets["hands_known"].tolist() == [[True, True], [True, True], [False, True]]
    assert not targets["depth_known"].any() and not targets["root_known"].any()
    assert (targets["parts"] == UNKNOWN_PART).all()
    wrist = NETWORK_WRIST["left"]
    truth = by_name(photos, "two.png").hands[1].joints[0] + (0, 40)
    np.testing.assert_allclose(320 * targets["joints"][0, wrist, :2] - 0.5, truth, atol=1e-3)


def test_a_mirrored_right_hand_is_a_left_one(photos):
    targets = pose_photo_targets([(photos[0], plain(flip=-1.0))], 320)
    assert targets["hands"].tolist() == [[0, 1]]
    x = 320 * targets["joints"][0, NETWORK_WRIST["left"], 0] - 0.5
    assert float(x) == pytest.approx(319 - photos[0].hands[0].joints[0, 0], abs=1e-3)


def test_joints_that_are_not_sure_do_not_count(photos):
    sure = np.arange(21) != 8
    unsure = PhotoHand("right", photos[0].hands[0].joints, sure)
    targets = pose_photo_targets([(Photo(photos[0].path, (unsure,)), plain())], 320)
    assert int(targets["valid"].sum()) == 20


def test_the_detector_is_asked_for_labelled_hands_alone(photos):
    batches = PhotoBatches(photos)
    rgb, targets = batches.detector(np.random.default_rng(3), 40, 128)
    assert rgb.shape == (40, 128, 128, 3) and rgb.dtype == torch.uint8
    peaks = (targets["heat"][:, 0] >= 0.999).nonzero().tolist()
    assert len(peaks) > 20
    for i, ky, kx in peaks:
        dx, dy, log_side = targets["boxes"][i, :, ky, kx].tolist()
        x, y = (kx + 0.5 + dx) * STRIDE - 0.5, (ky + 0.5 + dy) * STRIDE - 0.5
        half = UNIT_SIDE_PX * np.exp(log_side) / 2
        around_it = rgb[
            i, max(0, int(y - half)) : int(y + half), max(0, int(x - half)) : int(x + half)
        ]
        assert around_it.max() > 150  # dots of joints lie there
    assert targets["ignore"].any() and not targets["ignore"].all()
    assert not (targets["ignore"] & (targets["heat"] > 0.5)).any()


def test_backgrounds_show_no_labelled_hand(photos):
    cuts = PhotoBatches(photos).backgrounds(12)
    assert cuts
    for cut in cuts:
        assert cut.shape[0] == cut.shape[1] and cut.max() < 120


def test_parts_that_are_unknown_do_not_weigh():
    logits = torch.randn(2, 33, 8, 8, generator=torch.Generator().manual_seed(0))
    parts = torch.randint(33, (2, 8, 8), generator=torch.Generator().manual_seed(1))
    alone = part_loss(logits[:1], parts[:1])
    parts[1] = UNKNOWN_PART
    torch.testing.assert_close(part_loss(logits, parts), alone)
    assert float(part_loss(logits[1:], parts[1:])) == 0.0


def test_half_of_a_batch_are_photos_and_it_trains(photos):
    stream = Stream("pose", "cpu", 1, pool=8, size=64, stages=_ANY, photos=PhotoBatches(photos))
    batch = stream.batch(0, 8)
    of_photos = (batch["parts"] == UNKNOWN_PART).flatten(1).all(1)
    assert int(of_photos.sum()) == 4 and batch["image"].shape == (8, 3, 64, 64)
    assert not batch["depth_known"][of_photos].any() and batch["depth_known"][~of_photos].any()
    net = DigitLite().train()
    net.upsample_parts, net.input_scale = False, 1.0
    terms = pose_losses(net(batch["image"]), batch)
    sum(terms.values()).backward()
    assert all(torch.isfinite(v) for v in terms.values())


def test_a_chunk_is_shown_again_in_another_order_with_other_faults(photos):
    def stream():
        return Stream("pose", "cpu", 1, pool=8, size=64, stages=_ANY, chunk=8, uses=2)

    first, again, other = (stream_.batch(n, 8) for stream_ in [stream()] for n in (0, 8, 16))

    def wrists(batch):
        return sorted(batch["joints"][batch["valid"]][:, 0].tolist())

    assert wrists(first) == wrists(again) != wrists(other)
    assert not torch.equal(first["image"], again["image"])
    torch.testing.assert_close(stream().batch(8, 8)["image"], again["image"])
