# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from digit_core.network.lite import DigitLite, decode_joints, enlarged, likeliest_window


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return DigitLite().eval()


def test_outputs_have_the_shapes_of_the_full_network(net):
    with torch.inference_mode():
        out = net(torch.rand(2, 3, 256, 256))
    assert out.heatmaps.shape == (2, 42, 64, 64)
    assert out.joints_25d.shape == (2, 42, 3)
    assert out.root_depth.shape == (2, 1)
    assert out.hand_logits.shape == (2, 2)
    assert out.part_logits.shape == (2, 33, 128, 128)
    assert all(t.dtype == torch.float32 for t in out)


def test_a_batch_is_its_images_one_by_one(net):
    images = torch.rand(3, 3, 256, 256)
    with torch.inference_mode():
        together, alone = net(images), [net(images[i : i + 1]) for i in range(3)]
    for i in range(3):
        for a, b in zip(together, alone[i], strict=True):
            assert torch.allclose(a[i : i + 1], b, atol=1e-4)


@pytest.mark.parametrize("scale", [1.0, 0.875, 0.5])
def test_a_peak_decodes_to_its_pixels(scale):
    cells = int(64 * scale)
    heatmaps = torch.full((1, 42, cells, cells), -30.0)
    heatmaps[:, :, cells // 2, cells // 4] = 30.0
    depth = torch.full((1, 42, cells // 2, cells // 2), 0.5)
    x, y, z = decode_joints(heatmaps, depth, scale)[0, 7].tolist()
    # The cell's four pixels of the scaled picture, back in the full one.
    assert 4 * x == pytest.approx((4 * (cells // 4) + 2) / scale - 0.5, abs=1e-3)
    assert 4 * y == pytest.approx((4 * (cells // 2) + 2) / scale - 0.5, abs=1e-3)
    assert z == pytest.approx(48.0)


def test_heatmaps_and_joints_agree(net):
    """Where a heatmap is one smooth bump, its peak lies at the decoded joint."""
    heat = torch.zeros(1, 42, 48, 48)
    grid = torch.arange(48.0)
    heat[0] = -((grid[None, :, None] - 20) ** 2 + (grid[None, None] - 31) ** 2) / 4
    x, y, _ = decode_joints(heat, torch.zeros(1, 42, 24, 24), 0.75)[0, 0]
    full = torch.nn.functional.interpolate(heat, size=(64, 64), mode="bilinear")
    row, column = divmod(int(full[0, 0].argmax()), 64)
    assert abs(float(x) - (column + 0.375)) < 0.7 and abs(float(y) - (row + 0.375)) < 0.7


def test_two_places_are_not_mixed_into_one_between_them():
    heat = torch.full((1, 42, 48, 48), -30.0)
    heat[:, :, 10, 8], heat[:, :, 40, 40] = 1.0, 0.5
    depth = torch.zeros(1, 42, 24, 24)
    mixed = decode_joints(heat, depth)[0, 0]
    alone = decode_joints(likeliest_window(heat), depth)[0, 0]
    assert 12 < float(mixed[0]) < 35
    assert alone[:2].tolist() == pytest.approx([8.375, 10.375], abs=1e-3)


@pytest.mark.parametrize("size", [(64, 64), (128, 96), (20, 56)])
def test_enlarged_is_linear_interpolation(size):
    maps = torch.rand(2, 3, 56, 48)
    wanted = torch.nn.functional.interpolate(maps, size=size, mode="bilinear")
    assert torch.allclose(enlarged(maps, *size), wanted, atol=1e-5)


def test_the_likeliest_window_holds_most_probability():
    heat = 4 * torch.randn(2, 42, 56, 56, generator=torch.Generator().manual_seed(1))
    p = heat.flatten(2).softmax(2).view_as(heat)
    held = torch.nn.functional.avg_pool2d(p, 13, 1, 6)
    row, column = (held.flatten(2).argmax(2) // 56, held.flatten(2).argmax(2) % 56)
    inside = torch.isfinite(likeliest_window(heat))
    grid = torch.arange(56)
    rows = (grid - row[..., None]).abs() <= 56 // 6
    columns = (grid - column[..., None]).abs() <= 56 // 6
    assert torch.equal(inside, rows[..., :, None] & columns[..., None, :])
