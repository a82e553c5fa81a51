# SPDX-License-Identifier: Apache-2.0
"""InterHand2.6M's figures as DIGIT reports them, over a whole data set in one pass.

Everything is computed in float64 on the predictions' device. Errors are not scaled or aligned; each
hand is seen from its own wrist.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from training.interhand import heatmap_space
from training.interhand.joints import BONES, NAMES, PER_HAND, WRISTS


class Predictions(NamedTuple):
    """What a network said about N items.

    Attributes:
        joints_25d: (N, 42, 3) cells.
        root_depth: (N, 1) bins, left wrist minus right.
        hand_probability: (N, 2) right, left, 0 to 1.
        to_picture: (N, 2, 3) map from patch to picture pixels.
    """

    joints_25d: Tensor
    root_depth: Tensor
    hand_probability: Tensor
    to_picture: Tensor


class Truth(NamedTuple):
    """What is so, and what the protocol grants.

    Attributes:
        joints_camera: (N, 42, 3) camera space, mm.
        joint_valid: (N, 42) bool; a hand whose wrist is not valid has no valid joint.
        hands: (N, 2) bool: right, left there.
        hands_valid: (N,) bool: `hands` is known.
        focal, center: (N, 2) px.
        wrist_depth: (N, 2) right, left, mm: granted by the protocol's depth source.
    """

    joints_camera: Tensor
    joint_valid: Tensor
    hands: Tensor
    hands_valid: Tensor
    focal: Tensor
    center: Tensor
    wrist_depth: Tensor


@dataclass(frozen=True)
class Metrics:
    """The figures, mm but for the accuracy; NaN where nothing counts.

    Attributes:
        mpjpe_single, mpjpe_interacting, mpjpe_all: (42,) mean error of each joint over items
            with one hand, with two, and over all. The wrists count, as zeros.
        mrrpe: mean error of the left wrist's place relative to the right wrist.
        handedness_accuracy: share of items with both presences right, 0 to 1.
        bone_difference: (20,) mean absolute difference in length between a left bone and the
            right one of the same name, over items with two hands.
        items, items_interacting, items_mrrpe: how many count.
    """

    mpjpe_single: Tensor
    mpjpe_interacting: Tensor
    mpjpe_all: Tensor
    mrrpe: float
    handedness_accuracy: float
    bone_difference: Tensor
    items: int
    items_interacting: int
    items_mrrpe: int

    def as_dict(self) -> dict[str, float]:
        """The release's names and their figures: `mpjpe_sh`, `r_thumb4_sh`, ... `mrrpe`."""
        figures = {"handness_acc": self.handedness_accuracy, "mrrpe": self.mrrpe}
        columns = ("all", self.mpjpe_all), ("sh", self.mpjpe_single), ("ih", self.mpjpe_interacting)
        for kind, errors in columns:
            names = [f"{name}_{kind}" for name in NAMES]
            figures |= dict(zip(names, errors.tolist(), strict=True))
            figures[f"mpjpe_{kind}"] = float(errors.nanmean())
        return figures


def evaluate(predictions: Predictions, truth: Truth) -> Metrics:
    """All figures at once; see `Metrics`. An item may come twice and then counts twice."""
    sight = sight_of(predictions, truth)
    errors = joint_errors(sight, truth)
    interacting = truth.hands.all(dim=1)
    valid = truth.joint_valid.bool()
    related = interacting & valid[:, WRISTS].all(dim=1)
    predicted = predicted_depths(predictions.root_depth, truth)
    distances = root_errors(sight, predicted, truth)[related]
    depths = torch.where(related[:, None], predicted, truth.wrist_depth.double())
    bones = bone_differences(Sight(*(v[interacting] for v in sight)), depths[interacting])
    return Metrics(
        mpjpe_single=_mean(errors, valid & ~interacting[:, None]),
        mpjpe_interacting=_mean(errors, valid & interacting[:, None]),
        mpjpe_all=_mean(errors, valid),
        mrrpe=float(distances.mean()),
        handedness_accuracy=float(_hands_right(predictions, truth).double().mean()),
        bone_difference=bones.mean(dim=0),
        items=len(errors),
        items_interacting=int(interacting.sum()),
        items_mrrpe=len(distances),
    )


class Sight(NamedTuple):
    """Predicted joints as seen from the camera, each (N, 2, 21) float64: right, left hand.

    Attributes:
        x, y: slope of the joint's ray, per mm of depth.
        depth: mm from the hand's wrist.
    """

    x: Tensor
    y: Tensor
    depth: Tensor

    def points(self, wrist_depth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Camera x, y, z, mm, each (N, 2, 21), for wrists at (N, 2) mm."""
        depth = self.depth + wrist_depth[:, :, None]
        return self.x * depth, self.y * depth, depth


def sight_of(predictions: Predictions, truth: Truth) -> Sight:
    """Undo the patch and the camera."""
    joints = predictions.joints_25d.double()
    picture = heatmap_space.to_picture(joints, predictions.to_picture.double())
    # Coordinate by coordinate: arithmetic on rows of three numbers is several times slower.
    x, y, depth = (_by_hand(picture[..., axis]) for axis in range(3))
    (fx, fy), (cx, cy) = (v.double().t()[:, :, None, None] for v in (truth.focal, truth.center))
    return Sight((x - cx) / fx, (y - cy) / fy, depth)


def joint_errors(sight: Sight, truth: Truth) -> Tensor:
    """Distance of each joint from the truth, both seen from the hand's wrist: (N, 42) mm."""
    squares = torch.zeros_like(sight.depth)
    for axis, found in enumerate(sight.points(truth.wrist_depth.double())):
        error = found - _by_hand(truth.joints_camera[..., axis]).double()
        squares += (error - error[:, :, -1:]).square()
    return squares.sqrt().flatten(1)


def root_errors(sight: Sight, wrist_depth: Tensor, truth: Truth) -> Tensor:
    """Error of the left wrist's place relative to the right: (N,) mm, for wrists at (N, 2) mm."""
    wrists = Sight(*(value[:, :, -1:] for value in sight)).points(wrist_depth)
    found = torch.stack(wrists, dim=-1)[:, :, 0]
    error = found - truth.joints_camera[:, WRISTS].double()
    return (error[:, 1] - error[:, 0]).norm(dim=-1)


def bone_differences(sight: Sight, wrist_depth: Tensor) -> Tensor:
    """Absolute difference in length of left and right bones: (N, 20) mm, wrists at (N, 2) mm."""
    outer, inner = torch.from_numpy(BONES[0]).to(sight.depth.device).unbind(-1)
    points = sight.points(wrist_depth)
    squares = sum((axis[..., outer] - axis[..., inner]).square() for axis in points)
    lengths = torch.as_tensor(squares).sqrt()
    return (lengths[:, 1] - lengths[:, 0]).abs()


def predicted_depths(root_depth: Tensor, truth: Truth) -> Tensor:
    """(N, 2) wrist depths, mm: the right one granted, the left one by the (N, 1) predicted bins."""
    right = truth.wrist_depth[:, :1].double()
    return torch.cat((right, right + heatmap_space.cells_to_depth(root_depth.double())), dim=1)


def part_iou(parts: Tensor, truth: Tensor, classes: int = 33, tolerance: int = 0) -> Tensor:
    """Intersection over union of part labels, mean over all classes but the background.

    Args:
        parts: (N, H, W) predicted labels.
        truth: (N, H, W) labels.
        classes: number of labels, background (0) included.
        tolerance: a class whose union has fewer pixels does not count. With 0 all do, and a class
            in neither map counts as 0, as in the release.

    Returns:
        (N,) float64, 0 to 1; NaN where no class counts.
    """
    count = len(parts)
    item = torch.arange(count, device=parts.device).view(-1, 1, 1)
    cell = (item * classes + truth.long()) * classes + parts.long()
    table = cell.flatten().bincount(minlength=count * classes**2).view(count, classes, classes)
    shared = table.diagonal(dim1=1, dim2=2)
    union = table.sum(dim=1) + table.sum(dim=2) - shared
    ratio = shared.double() / union.clamp(min=1)
    return torch.where(union < tolerance, torch.nan, ratio)[:, 1:].nanmean(dim=1)


def _hands_right(predictions: Predictions, truth: Truth) -> Tensor:
    """Of the items whose hands are known: both presences right? One half is neither."""
    probability = predictions.hand_probability[truth.hands_valid.bool()]
    hands = truth.hands[truth.hands_valid.bool()].bool()
    return torch.where(hands, probability > 0.5, probability < 0.5).all(dim=1)


def _by_hand(values: Tensor) -> Tensor:
    """(N, 42) to contiguous (N, 2, 21)."""
    return values.contiguous().unflatten(1, (2, PER_HAND))


def _mean(errors: Tensor, counted: Tensor) -> Tensor:
    """Mean of each column of (N, J) over the rows that count; NaN where none does."""
    return errors.where(counted, 0.0).sum(dim=0) / counted.sum(dim=0)
