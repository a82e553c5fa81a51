# SPDX-License-Identifier: Apache-2.0
"""Measure a pose network on renders that were kept aside: `python -m
training.default_weights.evaluate [--weights FILE] --count 2000`.

The pictures follow from a seed, of identities that are never trained on, with camera faults; the
crop is given, as in InterHand2.6M's protocol, and the wrists' true depths, which a crop does not
show; nothing is aligned. Prints errors for pictures of one hand (or of hands apart) and of hands
together, and how far confidences can be believed.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from digit_core.decode import heatmap_spread
from digit_core.hand_size import ADULT_HAND_SIZE_M
from digit_core.weights import load_networks
from training.default_weights.targets import DEPTH_RANGE_M, network_order, pose_targets
from training.metrics import part_iou
from training.synth.draws import Draws
from training.synth.faults import degrade
from training.synth.pairs import TEST_IDENTITIES, PairOptions, random_pairs
from training.synth.picture import CloseUps, Pictures, Studio

TEST_SEED = 9_001
PATCH, _CHUNK = 256, 50
_PAIRS = PairOptions(0.35, 0.35, 0.3, TEST_IDENTITIES)
_CROPS = CloseUps(margin=(1.1, 1.5), distorted=0.0, empty=0.05)
_BINS = 10


def kept_aside(count: int) -> Iterator[tuple[Tensor, Pictures]]:
    """The fixed test set in chunks: images (n, 3, 256, 256) in 0..1 and their truth."""
    studio = Studio(backgrounds=300)
    for chunk in range((count + _CHUNK - 1) // _CHUNK):
        draws = Draws(TEST_SEED + chunk)
        pairs = random_pairs(draws, studio.model, _CHUNK, _PAIRS)
        pictures = studio.close_ups(draws, pairs, PATCH, _CROPS)
        yield degrade(draws, pictures.rgb), pictures


class Measured:
    """What was seen over the test set, one row a hand or a joint."""

    def __init__(self) -> None:
        self._hands: list[Tensor] = []
        self._joints: list[Tensor] = []
        self._presence: list[Tensor] = []
        self._between: list[Tensor] = []
        self._overlap: list[Tensor] = []

    @torch.inference_mode()
    def add(self, net: nn.Module, images: Tensor, truth: Pictures) -> None:
        """Take in the network's answers for one chunk."""
        output, targets = net(images), pose_targets(truth)
        n = len(images)
        joints = output.joints_25d.float()
        px = 4 * joints[..., :2]
        true_px = targets["joints"][..., :2] * PATCH - 0.5
        off = px - true_px
        error = off.norm(dim=2)
        extent = _extent(true_px, targets["valid"])
        sigma = 4 * heatmap_spread(output.heatmaps)[0]
        together = truth.interacting & truth.present.all(1)
        valid, hands = targets["valid"], targets["hands"] > 0.5
        scaled = truth.size_m / ADULT_HAND_SIZE_M * DEPTH_RANGE_M
        depth = (joints[..., 2] / 32 - 1) * scaled[:, None]
        cam, true_cam = _relative(px, depth, truth), network_order(truth.joints_cam_m)
        true_cam = true_cam - _wrists(true_cam)
        mm = 1000 * (cam - true_cam).norm(dim=2)
        kind = together[:, None].expand(n, 42)
        size = extent.repeat_interleave(21, 1)
        row = [error, error / size, mm, sigma, off.square().mean(2).sqrt(), kind.float()]
        self._joints.append(torch.stack(row, 2)[valid])
        p = output.hand_logits.float().sigmoid()
        known = targets["hands_known"]
        rows = torch.stack([p, targets["hands"], together[:, None].expand(n, 2).float()], 2)
        self._presence.append(rows[known])
        both = targets["root_known"]
        root = (output.root_depth[:, 0].float() / 32 - 1) * scaled
        true_root = truth.joints_cam_m[:, 1, 0] - truth.joints_cam_m[:, 0, 0]
        self._between.append(1000 * (_between(px, root, truth) - true_root).norm(dim=1)[both])
        labels = torch.where(truth.labels < 33, truth.labels, 0)[:, ::2, ::2].long()
        iou = part_iou(output.part_logits.argmax(1), labels, tolerance=1)
        self._overlap.append(iou[hands.any(1)])

    def figures(self) -> dict[str, float]:
        """Every figure by name."""
        joints, presence = torch.cat(self._joints), torch.cat(self._presence)
        out = {}
        for name, kind in (("single", 0.0), ("interacting", 1.0)):
            j, p = joints[joints[:, 5] == kind], presence[presence[:, 2] == kind]
            out |= {
                f"{name}: 2D error, median [px of 256]": float(j[:, 0].median()),
                f"{name}: PCK@0.2 of the hand's box": float((j[:, 1] < 0.2).float().mean()),
                f"{name}: MPJPE, wrist depth given [mm]": float(j[:, 2].mean()),
                f"{name}: presence right": float(
                    ((p[:, 0] > 0.5) == (p[:, 1] > 0.5)).float().mean()
                ),
            }
        out["MRRPE, right wrist's depth given [mm]"] = float(torch.cat(self._between).mean())
        out["part IoU"] = float(torch.cat(self._overlap).nanmean())
        out["presence: expected calibration error"] = calibration_error(
            presence[:, 0], presence[:, 1]
        )
        out["joints within one sigma, per axis"] = float(
            (joints[:, 4] < joints[:, 3]).float().mean()
        )
        return out


def calibration_error(p: Tensor, truth: Tensor) -> float:
    """Expected calibration error of probabilities (N,) against 0 or 1 (N,), ten equal bins."""
    which = (p * _BINS).long().clamp(max=_BINS - 1)
    total = 0.0
    for i in range(_BINS):
        inside = which == i
        if inside.any():
            total += float(inside.float().mean() * (p[inside].mean() - truth[inside].mean()).abs())
    return total


def _wrists(points: Tensor) -> Tensor:
    """Each joint's own wrist, (n, 42, D), of points in network order."""
    return points[:, [20, 41]].repeat_interleave(21, 1)


def _extent(px: Tensor, valid: Tensor) -> Tensor:
    """Longer side (n, 2) of each hand's box of valid joints."""
    low = torch.where(valid[..., None], px, 1e9).unflatten(1, (2, 21)).amin(2)
    high = torch.where(valid[..., None], px, -1e9).unflatten(1, (2, 21)).amax(2)
    return (high - low).amax(2).clamp(min=1)


def _lift(px: Tensor, z: Tensor, truth: Pictures) -> Tensor:
    """Points (n, J, 3) in the camera frame of pixels (n, J, 2) and depths (n, J)."""
    xy = (px - truth.camera.centre[:, None]) / truth.camera.focal[:, None, None]
    return torch.cat([xy, torch.ones_like(z)[..., None]], 2) * z[..., None]


def _relative(px: Tensor, depth: Tensor, truth: Pictures) -> Tensor:
    wrist = truth.joints_cam_m[:, :, 0, 2].repeat_interleave(21, 1)
    points = _lift(px, wrist + depth, truth)
    return points - _wrists(points)


def _between(px: Tensor, root: Tensor, truth: Pictures) -> Tensor:
    """Left wrist minus right wrist (n, 3), the right one's depth being given."""
    right = truth.joints_cam_m[:, 0, 0, 2]
    points = _lift(px[:, [20, 41]], torch.stack([right, right + root], 1), truth)
    return points[:, 1] - points[:, 0]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Measure a pose network on kept-aside renders.")
    parser.add_argument("--weights", type=Path, help="default: the bundled ones")
    parser.add_argument("--count", type=int, default=2000)
    args = parser.parse_args()
    networks = load_networks(args.weights, "cpu")
    measured = Measured()
    for images, truth in kept_aside(args.count):
        measured.add(networks.pose, images, truth)
    print(f"{networks.weights}: {args.count} renders of seed {TEST_SEED}, crop given")
    for name, value in measured.figures().items():
        print(f"  {name:48s} {value:8.3f}")


if __name__ == "__main__":
    main()
