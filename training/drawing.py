# SPDX-License-Identifier: Apache-2.0
"""Qualitative pictures: what the network sees and says, beside the truth."""

import os

import cv2
import numpy as np
import torch
from torch import Tensor

from digit_core.draw import blend_parts
from digit_core.network.output import DigitOutput
from digit_core.network.soft_argmax import heatmap_probabilities
from digit_core.parts import LEFT_OFFSET, PALETTE, Part
from digit_core.skeleton import FINGERS
from training.interhand import joints
from training.interhand.dataset import Batch
from training.interhand.heatmap_space import CELL_PX, CELLS, DEPTH_BOX_MM
from training.interhand.patch import PATCH_PX

SIDE = PATCH_PX
TITLES = ("input", "parts", "heatmap peaks", "2D", "3D, front", "3D, from the side")
_WHITE, _GREY = 255, 110
#: Cells of the depth axis are 6.25 mm; a patch cell is about as much for a hand that fills it.
_HALF_DEPTH_PX = SIDE / 2


def draw_item(image: np.ndarray, rows: "list[Row]") -> np.ndarray:
    """One item: a row of pictures for each of `rows`, such as prediction and truth.

    Args:
        image: (256, 256, 3) uint8 RGB patch.
        rows: what is drawn.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    drawn = [_row(image, row) for row in rows]
    return np.concatenate(drawn, axis=0)


class Row:
    """What one row shows, on the CPU.

    Args:
        name: written at its left.
        parts: (128, 128) labels.
        joints_25d: (42, 3) cells.
        valid: (42,) bool: joints that are drawn.
        root_depth: bins, left wrist minus right.
        heat: (64, 64) largest probability of any drawn joint, or None.
    """

    def __init__(
        self,
        name: str,
        parts: Tensor,
        joints_25d: Tensor,
        valid: Tensor,
        root_depth: float,
        heat: Tensor | None = None,
    ) -> None:
        self.name = name
        self.parts = parts.cpu().numpy().astype(np.uint8)
        self.joints = joints_25d.detach().float().cpu().numpy()
        self.valid = valid.cpu().numpy().astype(bool)
        self.root_depth, self.heat = root_depth, heat


def prediction_and_truth(batch: Batch, output: DigitOutput, i: int) -> list[Row]:
    """The two rows of item `i` of a batch; hands are drawn where the network says they are."""
    there = (output.hand_logits[i] > 0).repeat_interleave(joints.PER_HAND)
    heat = heatmap_probabilities(output.heatmaps[i : i + 1])[0].detach().float().cpu()
    heat = heat / heat.amax(dim=(1, 2), keepdim=True)
    shown = heat[there.cpu()].amax(dim=0) if there.any() else torch.zeros(heat.shape[1:])
    root = float(output.root_depth[i])
    predicted = Row(
        "prediction", output.part_logits[i].argmax(0), output.joints_25d[i], there, root, shown
    )
    t = batch.targets
    truth = Row("truth", t.parts[i], t.joints_25d[i], t.joint_valid[i] > 0, float(t.root_depth[i]))
    return [predicted, truth]


def patch_of(batch: Batch, i: int) -> np.ndarray:
    """(256, 256, 3) uint8 RGB of item `i`, without its colour factors."""
    return np.ascontiguousarray(batch.images[i].permute(1, 2, 0).cpu().numpy())


def _row(image: np.ndarray, row: Row) -> np.ndarray:
    labels = cv2.resize(row.parts, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    blended = image.copy()
    blend_parts(blended, labels, 0.7)
    pixels = row.joints[:, :2] * CELL_PX
    panels = [image.copy(), blended, _heat(image, row), image.copy()]
    _skeleton(panels[3], pixels, row.valid)
    panels += _views(row)
    for panel, title in zip(panels, TITLES, strict=True):
        _write(panel, title if title != "input" else f"{title}: {row.name}")
    return np.concatenate(panels, axis=1)


def _heat(image: np.ndarray, row: Row) -> np.ndarray:
    dim = image // 3
    if row.heat is None:
        for x, y in row.joints[row.valid, :2] * CELL_PX:
            cv2.circle(dim, (round(float(x)), round(float(y))), 3, (255, 255, 0), 1, cv2.LINE_AA)
        return dim
    heat = cv2.resize(row.heat.numpy(), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    glow = cv2.applyColorMap((255 * heat.clip(0, 1)).astype(np.uint8), cv2.COLORMAP_INFERNO)
    return np.maximum(dim, cv2.cvtColor(glow, cv2.COLOR_BGR2RGB))


def _views(row: Row) -> list[np.ndarray]:
    """Seen from the camera, and from the right: depth to the right there."""
    depth = row.joints[:, 2] * DEPTH_BOX_MM / CELLS - DEPTH_BOX_MM / 2
    if row.valid[joints.WRISTS[0]] and row.valid[joints.WRISTS[1]]:
        # Both hands about the middle between their wrists.
        apart = row.root_depth * DEPTH_BOX_MM / CELLS - DEPTH_BOX_MM / 2
        depth = depth + np.repeat([-apart / 2, apart / 2], joints.PER_HAND)
    x, y = (row.joints[:, axis] * CELL_PX for axis in (0, 1))
    beside = _HALF_DEPTH_PX + depth * SIDE / DEPTH_BOX_MM
    views = []
    for horizontal in (x, beside):
        panel = np.full((SIDE, SIDE, 3), 245, np.uint8)
        _skeleton(panel, np.stack((horizontal, y), axis=1), row.valid)
        views.append(panel)
    return views


def _skeleton(panel: np.ndarray, pixels: np.ndarray, valid: np.ndarray) -> None:
    near = valid & (np.abs(pixels) < 8 * SIDE).all(axis=1)
    places = np.where(near[:, None], pixels, 0).round().astype(int)
    for hand, bones in enumerate(joints.BONES):
        for outer, inner in bones:
            if near[outer] and near[inner]:
                color = _color(int(outer), hand)
                cv2.line(panel, places[outer], places[inner], color, 2, cv2.LINE_AA)
    for joint in np.flatnonzero(near):
        hand = int(joint >= joints.PER_HAND)
        cv2.circle(panel, places[joint], 2, _color(int(joint), hand), cv2.FILLED, cv2.LINE_AA)


def _color(joint: int, hand: int) -> list[int]:
    finger = (joint % joints.PER_HAND) // 4
    if finger == len(FINGERS):
        return [_GREY] * 3
    color = PALETTE[Part[f"{FINGERS[finger].upper()}_DISTAL"] + hand * LEFT_OFFSET]
    return [int(value) for value in color]


def _write(panel: np.ndarray, text: str) -> None:
    for color, stroke in (([0] * 3, 3), ([_WHITE] * 3, 1)):
        cv2.putText(
            panel, text, (5, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.45, color, stroke, cv2.LINE_AA
        )


def write_picture(path: str | os.PathLike[str], picture: np.ndarray, *options: int) -> None:
    """Write (H, W, 3) uint8 RGB in the form that the name ends with; `options` are OpenCV's.

    Raises:
        OSError: it cannot be written.
    """
    if not cv2.imwrite(os.fspath(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options):
        raise OSError(f"{path}: the picture cannot be written")
