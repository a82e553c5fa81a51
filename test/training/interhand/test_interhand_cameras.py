# SPDX-License-Identifier: Apache-2.0
"""World, camera, picture, heatmap space: there and back."""

import torch

from training.interhand import cameras, heatmap_space

FOCAL = torch.tensor([[1200.0, 1300.0]], dtype=torch.float64)
CENTER = torch.tensor([[256.0, 167.0]], dtype=torch.float64)


def doubles(*rows):
    return torch.tensor([rows], dtype=torch.float64)


def test_camera_axes_are_right_down_forward():
    points = doubles((0, 0, 1000), (100, 0, 1000), (0, 100, 1000))
    pixels = cameras.camera_to_pixel(points, FOCAL, CENTER)
    torch.testing.assert_close(
        pixels, doubles((256, 167, 1000), (376, 167, 1000), (256, 297, 1000))
    )


def test_camera_stands_at_its_position_and_looks_along_its_third_row():
    rotation = doubles((0, 0, -1), (0, 1, 0), (1, 0, 0))
    position = torch.tensor([[500.0, 20.0, 0.0]], dtype=torch.float64)
    found = cameras.world_to_camera(doubles((1500, 20, -30)), rotation, position)
    torch.testing.assert_close(found, doubles((30, 0, 1000)))


def test_world_and_pixels_and_back():
    draw = torch.Generator().manual_seed(0)
    world = 300 * torch.randn((4, 42, 3), generator=draw, dtype=torch.float64)
    rotation = torch.linalg.qr(torch.randn((4, 3, 3), generator=draw, dtype=torch.float64)).Q
    position = 900 * torch.randn((4, 3), generator=draw, dtype=torch.float64)
    focal, center = FOCAL.expand(4, 2), CENTER.expand(4, 2)
    points = cameras.world_to_camera(world, rotation, position)
    pixels = cameras.camera_to_pixel(points, focal, center)
    back = cameras.pixel_to_camera(pixels, focal, center)
    torch.testing.assert_close(cameras.camera_to_world(back, rotation, position), world)


def test_point_in_the_cameras_plane_is_finite():
    assert cameras.camera_to_pixel(doubles((1, 1, 0)), FOCAL, CENTER).isfinite().all()


def test_depth_box_is_400_mm_about_the_wrist():
    depth = torch.tensor([-200.0, 0.0, 100.0, 200.0])
    cells = heatmap_space.depth_to_cells(depth)
    assert cells.tolist() == [0.0, 32.0, 48.0, 64.0]
    assert heatmap_space.in_box(cells).tolist() == [True, True, True, False]
    torch.testing.assert_close(heatmap_space.cells_to_depth(cells), depth)


def test_heatmap_space_and_back_to_the_camera():
    draw = torch.Generator().manual_seed(1)
    noise = torch.randn((3, 42, 3), generator=draw, dtype=torch.float64)
    points = 40 * noise + torch.tensor([0.0, 0.0, 1000.0])
    focal, center = FOCAL.expand(3, 2), CENTER.expand(3, 2)
    to_patch = doubles((1.5, 0.2, -150.0), (-0.2, 1.5, 10.0)).expand(3, 2, 3)
    inverse = torch.linalg.inv(to_patch[:, :, :2])
    to_picture = torch.cat((inverse, -inverse @ to_patch[:, :, 2:]), dim=2)
    pixels = cameras.camera_to_pixel(points, focal, center)
    patch = pixels.clone()
    patch[..., :2] = heatmap_space.map_points(pixels[..., :2], to_patch)
    cells = heatmap_space.to_cells(patch)
    assert (cells[:, [20, 41], 2] == 32).all()
    wrists = points[:, [20, 41], 2]
    back = heatmap_space.to_camera(cells, to_picture, wrists, focal, center)
    torch.testing.assert_close(back, points, atol=1e-6, rtol=0)


def test_mirrored_items_take_the_other_hands_depth():
    cells = torch.full((1, 42, 3), 32.0)
    maps = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    wrists = torch.tensor([[900.0, 1100.0]])
    arguments = (cells, maps, wrists, FOCAL.float(), CENTER.float())
    plain = heatmap_space.to_camera(*arguments)
    mirrored = heatmap_space.to_camera(*arguments, mirrored=torch.tensor([True]))
    assert plain[0, [0, 41], 2].tolist() == [900.0, 1100.0]
    assert mirrored[0, [0, 41], 2].tolist() == [1100.0, 900.0]
