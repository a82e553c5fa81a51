# SPDX-License-Identifier: Apache-2.0
"""Boxes, maps to the patch, and warps."""

import cv2
import numpy as np
import pytest
import torch

from training.interhand.patch import affine_through, map_points, patch_maps, square_boxes
from training.interhand.warp import warp_linear, warp_nearest

BOX = torch.tensor([[100.0, 50.0, 200.0, 200.0]])


def maps_of(scale=1.0, rotation_deg=0.0, mirror=False):
    return patch_maps(
        BOX, torch.tensor([scale]), torch.tensor([rotation_deg]), torch.tensor([mirror]), 512
    )


def mapped(maps, *points):
    return map_points(torch.tensor([points], dtype=torch.float64), maps)[0]


def close(found, wanted, atol=1e-4):
    wanted = torch.tensor(wanted, dtype=torch.float64)
    torch.testing.assert_close(found, wanted, atol=atol, rtol=0)


def test_square_box_keeps_the_centre_and_grows_the_longer_side():
    boxes = square_boxes(torch.tensor([[10.0, 20.0, 40.0, 80.0], [0.0, 0.0, 8.0, 4.0]]))
    assert boxes.tolist() == [[-20.0, 10.0, 100.0, 100.0], [-1.0, -3.0, 10.0, 10.0]]


def test_box_becomes_the_patch():
    close(mapped(maps_of().to_patch, (100, 50), (200, 150)), [[0, 0], [128, 128]])


def test_scale_shows_more_of_the_picture():
    close(mapped(maps_of(scale=2.0).to_patch, (0, -50), (400, 350)), [[0, 0], [256, 256]])


def test_rotation_turns_the_box_so_the_content_turns_back():
    # The box's right edge now lies below the centre in the picture.
    close(mapped(maps_of(rotation_deg=90.0).to_patch, (200, 250)), [[256, 128]])


def test_mirroring_reads_the_mirrored_picture():
    # The box's centre is 200 of 512 columns, so 311 in the mirrored picture.
    close(mapped(maps_of(mirror=True).to_patch, (311, 150), (411, 50)), [[128, 128], [256, 0]])


def test_maps_are_each_others_inverse():
    maps = maps_of(scale=1.3, rotation_deg=-37.0, mirror=True)
    points = [[10.0, 250.0], [128.0, 3.0], [300.0, -40.0]]
    picture = mapped(maps.to_picture, *points)
    close(map_points(picture[None], maps.to_patch)[0], points, atol=1e-3)


def test_affine_map_is_opencvs():
    draw = torch.Generator().manual_seed(0)
    source, target = (200 * torch.rand((20, 3, 2), generator=draw) for _ in range(2))
    wanted = [
        cv2.getAffineTransform(a, b)
        for a, b in zip(source.numpy(), target.numpy(), strict=True)
    ]  # fmt: skip
    found = affine_through(source, target)
    torch.testing.assert_close(found, torch.tensor(np.stack(wanted)).float(), rtol=1e-5, atol=1e-4)


@pytest.mark.skipif(cv2.__version__ >= "5", reason="OpenCV 5 interpolates otherwise")
@pytest.mark.parametrize("linear", [True, False])
def test_warp_is_opencvs_to_the_bit(linear):
    draw = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (8, 3, 90, 120), generator=draw, dtype=torch.uint8)
    turns = torch.eye(2) + 0.5 * torch.randn((8, 2, 2), generator=draw)
    maps = torch.cat((turns, 40 * torch.randn((8, 2, 1), generator=draw)), dim=2)
    found = (warp_linear if linear else warp_nearest)(images, maps, 128)
    flag = cv2.INTER_LINEAR if linear else cv2.INTER_NEAREST
    for image, matrix, patch in zip(images, maps, found, strict=True):
        picture = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
        wanted = cv2.warpAffine(picture, matrix.numpy(), (128, 128), flags=flag)
        assert np.array_equal(patch.permute(1, 2, 0).numpy(), wanted)


def test_outside_the_picture_is_black():
    white = torch.full((1, 1, 8, 8), 255, dtype=torch.uint8)
    far = torch.tensor([[[1.0, 0.0, 100.0], [0.0, 1.0, 100.0]]])
    assert warp_linear(white, far, 64).sum() == 0
    assert warp_nearest(white, far, 64).sum() == 0
