# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
import torch
from torch import nn

from digit_core.detection import Detection, choose, decode, detect, letterbox
from digit_core.network.detector import DETECTOR_SIZE as SIZE
from digit_core.network.detector import STRIDE, DetectorOutput
from digit_core.runtime import DetectorRuntime

CELLS = SIZE // STRIDE


class Painted(nn.Module):
    def __init__(self, scores: np.ndarray, maps: np.ndarray) -> None:
        super().__init__()
        self.output = DetectorOutput(
            torch.tensor(scores, dtype=torch.float32)[None],
            torch.tensor(maps, dtype=torch.float32)[None],
        )
        self.seen: list[torch.Tensor] = []

    def forward(self, images: torch.Tensor) -> DetectorOutput:
        self.seen.append(images)
        return DetectorOutput(*(m.expand(len(images), -1, -1, -1) for m in self.output))


def maps() -> tuple[np.ndarray, np.ndarray]:
    return np.full((1, CELLS, CELLS), -9.0), np.zeros((3, CELLS, CELLS))


def found(scores, box_maps, shape=(SIZE, SIZE), threshold=0.3) -> list[Detection]:
    image = np.zeros((*shape, 3), np.uint8)
    return detect(running(Painted(scores, box_maps)), [image], threshold)[0]


def running(detector: nn.Module) -> DetectorRuntime:
    return DetectorRuntime(detector, torch.device("cpu"))


def test_a_cell_means_centre_and_side():
    scores, box_maps = maps()
    scores[0, 10, 20] = 2.0
    box_maps[:, 10, 20] = 0.25, -0.5, math.log(1.5)
    (d,) = found(scores, box_maps)
    assert d.score == pytest.approx(1 / (1 + math.exp(-2)))
    x, y, side = (20.75) * 8, (10.0) * 8, 48
    assert d.box.tolist() == pytest.approx([x - side / 2, y - side / 2, side, side])


def test_only_peaks_above_the_threshold_count():
    scores, box_maps = maps()
    scores[0, 8:12, 8:12] = 1.0
    scores[0, 10, 10] = 1.5
    scores[0, 20, 20] = -1.0  # probability 0.27
    assert len([d for d in found(scores, box_maps) if d.score > 0.8]) == 1
    assert min(d.score for d in found(scores, box_maps)) > 0.7
    assert min(d.score for d in found(scores, box_maps, threshold=0.2)) < 0.3


def test_overlapping_boxes_are_one_hand():
    scores, box_maps = maps()
    box_maps[2] = math.log(3)  # 96 pixels
    scores[0, 10, 10], scores[0, 12, 12], scores[0, 25, 25] = 3.0, 2.0, 1.0
    assert [round(d.score, 2) for d in found(scores, box_maps)] == [0.95, 0.73]


@pytest.mark.parametrize("shape", [(480, 640), (640, 480), (100, 1000), (1, 1), (37, 91), (1, 700)])
def test_letterbox_maps_back_to_where_the_pixels_were(shape):
    height, width = shape
    y, x = np.mgrid[:height, :width]
    image = np.stack([x * 200.0 / width, y * 200.0 / height, 0 * x + 250], axis=-1)
    canvas, fit = letterbox(image.astype(np.uint8))
    assert canvas.shape == (SIZE, SIZE, 3)
    rows, columns = (canvas[..., 2] == 250).nonzero()
    assert max(np.ptp(rows), np.ptp(columns)) == SIZE - 1  # the longer side fills the input
    assert abs((rows.min() + rows.max()) / 2 - (SIZE - 1) / 2) <= 0.5  # centred
    outside = canvas[canvas[..., 2] != 250]
    assert (outside == 128).all()
    # The corner pixels' places, through the boxes' way back.
    for row, column in ((rows.min(), columns.min()), (rows.max(), columns.max())):
        at = fit.box_to_image(np.array([column, row, 0, 0]))[:2]
        expected = canvas[row, column, :2].astype(float) * (width / 200, height / 200)
        tolerance = 1.5 * max(height, width) / 200 + 1
        assert np.abs(at - expected).max() < tolerance


def test_the_detector_sees_rgb_between_0_and_1():
    net = Painted(*maps())
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image[..., 0] = 255
    detect(running(net), [image, image], 0.3)
    (seen,) = net.seen
    assert seen.shape == (2, 3, SIZE, SIZE) and seen.dtype == torch.float32
    assert seen[0, 0].min() == 1 and seen[0, 1:].max() == 0


def test_huge_and_tiny_sides_are_bounded():
    scores, box_maps = maps()
    scores[0, 3, 3] = 1.0
    for value in (1000.0, -1000.0):
        box_maps[2, 3, 3] = value
        (d,) = found(scores, box_maps)
        assert np.isfinite(d.box).all() and d.box[2] > 0


def test_maps_that_are_not_numbers_find_nothing():
    scores, box_maps = maps()
    scores[:] = np.nan
    assert found(scores, box_maps) == []
    scores[:] = -9.0
    scores[0, 4, 4], box_maps[0, 4, 4] = 2.0, np.nan
    assert found(scores, box_maps) == []


def at(score: float, x: float, size: float = 100) -> Detection:
    return Detection(score, np.array([x, 100.0, size, size]))


def test_choose_takes_the_largest_and_surest_first():
    near, far, doubtful = at(0.8, 0, 200), at(0.9, 500, 60), at(0.1, 300, 400)
    chosen = choose([far, near, doubtful], most=4)
    assert [c.box is d.box for c, d in zip(chosen, (near, far), strict=True)] == [True, True]
    assert chosen[0].weight == 1.0 > chosen[1].weight > 0
    assert all(c.side is None and c.side_logit == 0 for c in chosen)
    assert len(choose([far, near, at(0.85, 700)], most=2)) == 2


def test_choose_prefers_the_partner_s_like_in_size():
    big, small = at(0.9, 0, 400), at(0.9, 500, 90)
    assert choose([big, small], 2)[0].box is big.box
    assert choose([big, small], 2, partner=np.array([0, 0, 100, 80]))[0].box is small.box


def test_nothing_found_nothing_chosen():
    assert choose([], 4) == []
    scores, box_maps = maps()
    fit = letterbox(np.zeros((9, 9, 3), np.uint8))[1]
    assert decode(scores[0], box_maps, np.zeros((CELLS, CELLS), bool), fit, 0.3) == []
