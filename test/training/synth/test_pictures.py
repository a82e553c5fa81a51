# SPDX-License-Identifier: Apache-2.0
"""Renders: truth and picture agree, and what cameras do to pictures stays within bounds."""

import cv2
import numpy as np
import pytest
import torch

from digit_core.parts import Part
from training.synth import raster
from training.synth.draws import Draws
from training.synth.faults import _compress, degrade
from training.synth.pairs import PairOptions, random_pairs
from training.synth.picture import CloseUps, Frames, Studio, with_mirror_images
from training.synth.views import Camera


@pytest.fixture(scope="module")
def studio():
    return Studio(backgrounds=12)


@pytest.fixture(scope="module")
def pictures(studio):
    draws = Draws(1)
    pairs = random_pairs(draws, studio.model, 24, PairOptions(0.4, 0.3, 0.3))
    return studio.close_ups(draws, pairs, 160, CloseUps(distorted=0.5))


def test_close_ups_have_truth_that_fits_their_pictures(pictures):
    assert pictures.rgb.shape == (24, 160, 160, 3) and pictures.rgb.dtype == torch.uint8
    projected = pictures.camera.project(pictures.joints_cam_m)
    torch.testing.assert_close(projected, pictures.joints_px)
    absent = ~pictures.present
    assert absent.any() and not pictures.visible[absent].any()
    assert pictures.visible[pictures.present].float().mean() > 0.3


def test_visible_joints_lie_on_their_own_hand(pictures):
    index, side, joint = pictures.visible.nonzero(as_tuple=True)
    x, y = pictures.joints_px[index, side, joint].round().long().unbind(1)
    label = pictures.labels[index, y, x].long()
    assert ((label - 1) // 16 == side).all()
    surface = pictures.depth[index, y, x]
    behind = pictures.joints_cam_m[index, side, joint, 2] - surface
    # Skin lies before its joint: about a finger's half thickness.
    assert 0.003 < behind.median() < 0.015


def test_all_parts_of_hands_are_labelled(studio):
    draws = Draws(2)
    pairs = random_pairs(draws, studio.model, 60, PairOptions(single=1.0))
    labels = studio.close_ups(draws, pairs, 128, CloseUps()).labels
    counts = torch.bincount(labels.flatten().long(), minlength=256)
    for part in list(Part)[1:]:
        assert counts[part] > 0 and counts[part + 16] > 0, part.name
    assert counts[33:64].sum() == 0


def test_the_same_seed_gives_the_same_picture(studio):
    def frame(seed):
        draws = Draws(seed)
        pairs = random_pairs(draws, studio.model, 2, PairOptions(0.0, 0.5, 0.0))
        return studio.frames(draws, pairs, 160, 120, Frames())

    a, b, c = frame(4), frame(4), frame(5)
    assert torch.equal(a.rgb, b.rgb) and torch.equal(a.labels, b.labels)
    assert not torch.equal(a.rgb, c.rgb)


def test_empty_pictures_have_no_hands(studio):
    draws = Draws(6)
    pairs = random_pairs(draws, studio.model, 6, PairOptions(0.5, 0.5, 0.0))
    for pictures in (
        studio.frames(draws, pairs, 160, 120, Frames(empty=1.0)),
        studio.close_ups(draws, pairs, 96, CloseUps(empty=1.0)),
    ):
        assert not pictures.present.any()
        assert not ((pictures.labels > 0) & (pictures.labels < 33)).any()
        assert (pictures.labels == 64).any()  # people are there all the same


def test_mirror_images_are_the_other_hands(pictures):
    both = with_mirror_images(pictures)
    assert torch.equal(both.rgb[24:], pictures.rgb.flip(2))
    assert torch.equal(both.present[24:], pictures.present.flip(1))
    # Truth of a mirror image projects to where its picture shows it.
    projected = both.camera.project(both.joints_cam_m)
    torch.testing.assert_close(projected, both.joints_px, atol=2e-3, rtol=1e-4)
    index, side, joint = both.visible.nonzero(as_tuple=True)
    x, y = both.joints_px[index, side, joint].round().long().unbind(1)
    inside = (x >= 0) & (x < 160)
    label = both.labels[index, y, x.clamp(0, 159)].long()
    assert (((label - 1) // 16 == side) | ~inside).float().mean() > 0.99


def test_a_square_is_drawn_where_the_camera_sees_it():
    """Coverage, labels and depth of one tilted square, against its projection."""
    camera = Camera(torch.tensor([200.0]), torch.tensor([[79.5, 59.5]]), torch.zeros(1, 2))
    corners = torch.tensor(
        [[[-0.1, -0.05, 1.0], [0.1, -0.05, 1.2], [0.1, 0.05, 1.2], [-0.1, 0.05, 1.0]]]
    )
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]], dtype=torch.int32)
    label = torch.full((1, 2), 9, dtype=torch.uint8)
    xy = 2 * (camera.project(corners) + 0.5) - 0.5
    screen = torch.cat([xy, 1 / corners[..., 2:]], 2)
    covered = raster.cover(screen, faces, label, 320, 240)
    inside = np.zeros((240, 320), np.uint8)
    cv2.fillConvexPoly(inside, xy[0].round().int().numpy(), 1)
    assert abs(int((covered[0] > 0).sum()) - int(inside.sum())) < 0.06 * inside.sum()
    q = (covered >> 32).int().view(torch.float32)[0]
    row, column = 119, 160
    # On the ray through that sample the square's depth is 1.1 + x with x = slope * depth.
    slope = ((column + 0.5) / 2 - 0.5 - 79.5) / 200
    assert float(1 / q[row, column]) == pytest.approx(1.1 / (1 - slope), rel=1e-4)
    hidden = torch.full((1, 2), raster.HIDDEN, dtype=torch.uint8)
    assert not raster.cover(screen, faces, hidden, 320, 240).any()


def test_the_nearer_surface_wins_and_vertices_behind_the_camera_are_left_out():
    square = torch.tensor([[[10.0, 10], [50, 10], [50, 50], [10, 50]]])
    screen = torch.cat([square, square], 1)
    q = torch.tensor([0.5] * 4 + [1.0] * 4).view(1, 8, 1)
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], dtype=torch.int32)
    label = torch.full((1, 4), 1, dtype=torch.uint8)
    face = raster.cover(torch.cat([screen, q], 2), faces, label, 64, 64)[0, 30, 40] & 0xFFFFFFFF
    assert int(face) - 1 == 2
    q[0, 5] = -1.0
    face = raster.cover(torch.cat([screen, q], 2), faces, label, 64, 64)[0, 30, 40] & 0xFFFFFFFF
    assert int(face) - 1 == 0


def test_normals_of_a_mesh_point_out(studio):
    rest = studio.model.rest_vertices(studio.model.shapes(torch.zeros(1, 32)))
    topology = raster.Topology(studio.model.faces)
    normals = topology.vertex_normals(rest)
    torch.testing.assert_close(normals.norm(dim=2), torch.ones(rest.shape[:2]), atol=1e-4, rtol=0)
    fist = rest[0, :, 1].argmax()  # the farthest fingertip looks along y
    assert normals[0, fist, 1] > 0.5
    with pytest.raises(ValueError, match="vertices"):
        topology.vertex_normals(rest[:, :-1])


def test_distortion_is_opencvs():
    camera = Camera(
        torch.tensor([300.0]), torch.tensor([[160.0, 120.0]]), torch.tensor([[-0.2, 0.05]])
    )
    points = Draws(3).normal(0.0, 0.3, 1, 50, 3) + torch.tensor([0.0, 0, 1.5])
    k = np.array([[300.0, 0, 160], [0, 300, 120], [0, 0, 1]])
    expected, _ = cv2.projectPoints(
        points[0].double().numpy(), np.zeros(3), np.zeros(3), k, np.array([-0.2, 0.05, 0, 0])
    )
    torch.testing.assert_close(
        camera.project(points)[0], torch.from_numpy(expected[:, 0]).float(), atol=1e-3, rtol=1e-5
    )


def test_faults_keep_pictures_pictures(pictures):
    out = degrade(Draws(5), pictures.rgb)
    assert out.shape == (24, 3, 160, 160) and out.min() >= 0 and out.max() <= 1
    again = degrade(Draws(5), pictures.rgb)
    assert torch.equal(out, again)
    before = pictures.rgb.permute(0, 3, 1, 2).float() / 255
    changed = (out - before).abs().mean((1, 2, 3))
    assert changed.min() > 0 and changed.median() < 0.2


def test_compression_is_like_jpeg():
    """Brightness after our blocks against OpenCV's: far nearer to it than the original is.

    Colour differs more: libjpeg smooths it when it doubles its resolution.
    """
    y, x = np.mgrid[:64, :64].astype(np.float32)
    picture = np.stack([127 + 100 * np.sin(x / 7), 127 + 90 * np.cos(y / 5), x * 3], 2)
    picture = picture.clip(0, 255).astype(np.uint8)

    class Fixed(Draws):
        def uniform(self, low, high, *shape):
            return torch.full(shape, 20.0)

    code = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 20])[1]
    expected = cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1].astype(np.float32)
    brightness = np.array([0.299, 0.587, 0.114])
    tensor = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    ours = 255 * _compress(Fixed(0), tensor)[0].permute(1, 2, 0).numpy()
    to_jpeg = np.abs((ours.clip(0, 255) - expected) @ brightness).mean()
    to_original = np.abs((expected - picture) @ brightness).mean()
    assert to_original > 1 and to_jpeg < 0.25 * to_original
