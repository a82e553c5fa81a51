# SPDX-License-Identifier: Apache-2.0
"""Items as the network gets them: golden numbers and what each rule means.

Golden numbers: two items by rule (`benchmarks.network_filling.uniform`), the second one
mirrored, shifted, scaled, turned and coloured; computed by the project, equal to the release's
(`benchmarks/parity_interhand.py`).
"""

import zlib

import pytest
import torch

from benchmarks.network_filling import uniform
from training.interhand import items
from training.interhand.patch import square_boxes

WIDTH = 120
GOLDEN_TO_PICTURE = [
    [[0.29297, 0.0, 22.5], [-0.0, 0.29297, 2.5]],
    [[0.20297, -0.11719, 40.51924], [0.11719, 0.20297, -4.73076]],
]
GOLDEN_JOINTS = [
    [
        [11.07922, 36.22472, 45.88847],
        [40.73322, 52.71897, 32.0],
        [23.94086, 35.62572, 33.43721],
        [27.49976, 42.79011, 32.0],
    ],
    [
        [59.14808, 13.88088, 66.22179],
        [41.90185, 22.82164, 32.0],
        [64.14217, 30.72233, 24.86187],
        [57.88277, 51.19711, 32.0],
    ],
]
GOLDEN_VALID = [30.0, 28.0]
GOLDEN_ROOT = [[32.88458], [36.60013]]
GOLDEN_IMAGE = 200169540
GOLDEN_PARTS = 3226381479


def rule(name, *shape):
    return torch.from_numpy(uniform(name, shape))


def annotations(count=2):
    xy = torch.tensor([60.0, 45.0]) + 30 * rule("xy", count, 42, 2)
    depth = 1000 + 250 * rule("depth", count, 42, 1)
    depth[:, [20, 41]] = 1000 + 60 * rule("wrists", count, 2, 1)
    return items.Annotations(
        boxes=square_boxes(torch.tensor([[30.0, 15.0, 60.0, 50.0]]).expand(count, 4)),
        joints=torch.cat((xy, depth), dim=2),
        joint_valid=torch.ones(count, 42),
        hands=torch.ones(count, 2),
        hands_valid=torch.ones(count),
        labels_valid=torch.ones(count),
    )


FACTORS = items.Factors(
    shift=torch.tensor([[0.0, 0.0], [0.1, -0.05]]),
    scale=torch.tensor([1.0, 0.8]),
    rotation_deg=torch.tensor([0.0, 30.0]),
    mirror=torch.tensor([False, True]),
    color=torch.tensor([[1.0, 1.0, 1.0], [0.8, 1.0, 1.2]]),
)


@pytest.fixture
def made():
    given = annotations()
    maps = items.maps_for(given, FACTORS, WIDTH)
    pictures = (127.5 + 127.5 * rule("picture", 2, 3, 90, WIDTH)).to(torch.uint8)
    labels = (16.5 + 16.5 * rule("labels", 2, 90, WIDTH)).to(torch.uint8)
    parts = items.make_parts(labels, maps, FACTORS, given.labels_valid)
    images = items.make_images(pictures, maps, FACTORS)
    return maps, images, items.make_targets(given, maps, FACTORS, parts, WIDTH)


def test_golden_numbers(made):
    maps, images, targets = made
    wanted = torch.tensor(GOLDEN_TO_PICTURE)
    torch.testing.assert_close(maps.to_picture, wanted, atol=1e-5, rtol=1e-6)
    joints = targets.joints_25d[:, [0, 20, 25, 41]]
    torch.testing.assert_close(joints.float(), torch.tensor(GOLDEN_JOINTS), atol=1e-4, rtol=0)
    assert targets.joint_valid.sum(dim=1).tolist() == GOLDEN_VALID
    root = torch.tensor(GOLDEN_ROOT).double()
    torch.testing.assert_close(targets.root_depth, root, atol=1e-4, rtol=0)
    grey = (images * 255)[0].round().to(torch.uint8)
    assert zlib.crc32(grey.numpy().tobytes()) == GOLDEN_IMAGE
    assert zlib.crc32(targets.parts.to(torch.uint8).numpy().tobytes()) == GOLDEN_PARTS


def test_a_batch_is_its_items(made):
    given = annotations()
    for index in range(2):
        one = items.Annotations(*(value[index : index + 1] for value in given))
        factors = items.Factors(*(value[index : index + 1] for value in FACTORS))
        maps = items.maps_for(one, factors, WIDTH)
        assert torch.equal(maps.to_patch[0], made[0].to_patch[index])
        targets = items.make_targets(one, maps, factors, made[2].parts[index], WIDTH)
        torch.testing.assert_close(targets.joints_25d[0], made[2].joints_25d[index])


def test_boxes_are_left_as_they_were():
    given = annotations()
    before = given.boxes.clone()
    items.maps_for(given, FACTORS, WIDTH)
    assert torch.equal(given.boxes, before)


def test_mirroring_exchanges_hands_and_x():
    given = annotations(1)
    given.hands[0] = torch.tensor([1.0, 0.0])
    given.joint_valid[0, 3] = 0
    points, valid, hands = items.mirror_joints(given, torch.tensor([True]), WIDTH)
    assert hands.tolist() == [[0.0, 1.0]]
    assert valid[0, 24] == 0 and valid.sum() == 41
    assert points[0, 21, 0] == WIDTH - 1 - given.joints[0, 0, 0]
    assert points[0, 21, 1:].equal(given.joints[0, 0, 1:])


def test_label_swap_is_its_own_inverse_and_keeps_the_background():
    labels = torch.arange(33)
    swapped = items.swap_sides(labels)
    assert swapped[[0, 1, 16, 17, 32]].tolist() == [0, 17, 32, 1, 16]
    assert torch.equal(items.swap_sides(swapped), labels)
    assert items.swap_sides(labels.to(torch.uint8)).dtype == torch.uint8


def test_joints_outside_the_patch_or_the_depth_box_are_not_valid():
    given = annotations(1)
    given.joints[0, :, :2] = 45.0
    given.joints[0, :, 2] = 1000.0
    given.joints[0, 4, 0] = 500.0
    given.joints[0, 5, 2] = 1200.0
    given.joints[0, 6, 2] = 800.0
    neutral = items.neutral_factors(1)
    maps = items.maps_for(given, neutral, WIDTH)
    targets = items.make_targets(given, maps, neutral, torch.zeros(1), WIDTH)
    assert [joint for joint in range(42) if targets.joint_valid[0, joint] == 0] == [4, 5]


@pytest.mark.parametrize(
    ("hands", "wrist_valid", "left_further_mm", "wanted"),
    [
        ([1, 1], 1, 100, 1),
        ([1, 0], 1, 100, 0),
        ([1, 1], 0, 100, 0),
        ([1, 1], 1, 250, 0),
    ],
)
def test_root_depth_needs_two_hands_two_wrists_and_the_box(
    hands, wrist_valid, left_further_mm, wanted
):
    given = annotations(1)
    given.hands[0] = torch.tensor(hands)
    given.joints[0, [20, 41], :2] = 45.0
    given.joint_valid[0, 41] = wrist_valid
    given.joints[0, 41, 2] = given.joints[0, 20, 2] + left_further_mm
    neutral = items.neutral_factors(1)
    maps = items.maps_for(given, neutral, WIDTH)
    targets = items.make_targets(given, maps, neutral, torch.zeros(1), WIDTH)
    assert targets.root_valid.tolist() == [[wanted]]
    assert targets.root_depth[0, 0] == pytest.approx((left_further_mm / 200 + 1) * 32)


def test_labels_that_are_not_valid_are_background():
    labels = torch.full((1, 90, WIDTH), 9, dtype=torch.uint8)
    neutral = items.neutral_factors(1)
    maps = items.maps_for(annotations(1), neutral, WIDTH)
    assert items.make_parts(labels, maps, neutral, torch.ones(1)).unique().tolist() == [9]
    assert items.make_parts(labels, maps, neutral, torch.zeros(1)).sum() == 0


def test_drawn_factors_stay_in_their_ranges_and_repeat_by_seed():
    factors = items.draw_factors(4000, torch.Generator().manual_seed(0))
    again = items.draw_factors(4000, torch.Generator().manual_seed(0))
    assert all(torch.equal(a, b) for a, b in zip(factors, again, strict=True))
    assert factors.shift.abs().max() <= 0.15
    assert (factors.scale - 1).abs().max() <= 0.25 + 1e-6
    assert factors.rotation_deg.abs().max() <= 90
    assert 0.37 < (factors.rotation_deg == 0).float().mean() < 0.43
    assert 0.47 < factors.mirror.float().mean() < 0.53
    assert 0.8 <= factors.color.min() and factors.color.max() <= 1.2 + 1e-6
