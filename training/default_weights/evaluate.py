# SPDX-License-Identifier: Apache-2.0
"""Measure a pose network on renders that were kept aside: `python -m
training.default_weights.evaluate [--weights FILE] --count 2000`.

The pictures follow from a seed, of identities that are never trained on, with camera faults; the
crop is given, as in InterHand2.6M's protocol, and the wrists' true depths, which a crop does not
show; nothing is aligned. Prints errors for pictures of one hand (or of hands apart) and of hands
together, where the wrists are put without their true depths, and how far confidences can be
believed; `--reliability PICTURE` draws the last.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from digit_core import camera
from digit_core.decode import NOT_CALIBRATED, Calibration, heatmap_spread
from digit_core.depth import root_depth
from digit_core.hand_size import ADULT_HAND_SIZE_M, HandScale
from digit_core.skeleton import SIDES, public_from_network
from digit_core.weights import load_networks
from training import options as flags
from training.default_weights.reliability import Curve, curve, draw, expected_error
from training.default_weights.targets import DEPTH_RANGE_M, network_order, pose_targets
from training.drawing import write_picture
from training.metrics import part_iou
from training.synth.draws import Draws
from training.synth.faults import degrade
from training.synth.pairs import TEST_IDENTITIES, PairOptions, random_pairs
from training.synth.picture import CloseUps, Pictures, Studio

TEST_SEED = 9_001
PATCH, _CHUNK = 256, 50
_PAIRS = PairOptions(0.35, 0.35, 0.3, TEST_IDENTITIES)
_CROPS = CloseUps(margin=(1.1, 1.5), distorted=0.0, empty=0.05)
#: Coverages at which joints' deviations are held against a normal distribution.
_COVERAGES = tuple(i / 20 for i in range(1, 20))


def kept_aside(count: int, seed: int = TEST_SEED) -> Iterator[tuple[Tensor, Pictures]]:
    """The fixed test set in chunks: images (n, 3, 256, 256) in 0..1 and their truth.

    Chunks of other seeds are other pictures as long as the seeds lie count / 50 apart.
    """
    studio = Studio(backgrounds=300)
    for chunk in range((count + _CHUNK - 1) // _CHUNK):
        draws = Draws(seed + chunk)
        pairs = random_pairs(draws, studio.model, _CHUNK, _PAIRS)
        pictures = studio.close_ups(draws, pairs, PATCH, _CROPS)
        yield degrade(draws, pictures.rgb), pictures


class Measured:
    """What was seen over the test set, one row a hand or a joint."""

    def __init__(self, calibration: Calibration = NOT_CALIBRATED) -> None:
        self._calibration = calibration
        self._wrists: list[list[float]] = []
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
        spread = heatmap_spread(output.heatmaps)[0]
        sigma = 4 * torch.from_numpy(self._calibration.sigma(spread.numpy()))
        together = truth.interacting & truth.present.all(1)
        valid, hands = targets["valid"], targets["hands"] > 0.5
        scaled = truth.size_m / ADULT_HAND_SIZE_M * DEPTH_RANGE_M
        depth = (joints[..., 2] / 32 - 1) * scaled[:, None]
        cam, true_cam = _relative(px, depth, truth), network_order(truth.joints_cam_m)
        true_cam = true_cam - _wrists(true_cam)
        mm = 1000 * (cam - true_cam).norm(dim=2)
        kind = together[:, None].expand(n, 42)
        size = extent.repeat_interleave(21, 1)
        row = [error, error / size, mm, sigma, kind.float(), spread]
        self._joints.append(torch.cat([torch.stack(row, 2), off], 2)[valid])
        self._add_wrists(px, joints[..., 2], sigma, truth, valid)
        p = output.hand_logits.float().sigmoid()
        known = targets["hands_known"]
        alone = (targets["hands"].sum(1) == 1) & known.all(1)
        there = targets["hands"]
        rows = [
            p,
            there,
            together[:, None].expand(n, 2),
            alone[:, None].expand(n, 2),
            p - p.flip(1),
        ]
        self._presence.append(torch.stack([row.float() for row in rows], 2)[known])
        both = targets["root_known"]
        root = (output.root_depth[:, 0].float() / 32 - 1) * scaled
        true_root = truth.joints_cam_m[:, 1, 0] - truth.joints_cam_m[:, 0, 0]
        self._between.append(1000 * (_between(px, root, truth) - true_root).norm(dim=1)[both])
        labels = torch.where(truth.labels < 33, truth.labels, 0)[:, ::2, ::2].long()
        iou = part_iou(output.part_logits.argmax(1), labels, tolerance=1)
        self._overlap.append(iou[hands.any(1)])

    def _add_wrists(self, px: Tensor, cells: Tensor, sigma: Tensor, truth: Pictures, valid) -> None:
        """Distances from the true wrists (mm) with the hand's size known, and with an adult's."""
        for i, side in valid.unflatten(1, (2, 21)).all(2).nonzero().tolist():
            focal, centre = float(truth.camera.focal[i]), truth.camera.centre[i].tolist()
            lens = camera.Camera(focal, focal, *centre)
            hand = torch.cat([px[i], cells[i, :, None], sigma[i, :, None]], 1).double().numpy()
            x, y, z, s = public_from_network(hand, SIDES[side]).T
            errors = []
            for size in (float(truth.size_m[i]), None):
                scale = HandScale.of(size)
                relative = (z / 32 - 1) * DEPTH_RANGE_M * scale.depth_factor
                told = root_depth(lens, np.stack([x, y], 1), relative, scale, s)
                true = truth.joints_cam_m[i, side, 0].numpy()
                place = told.depth_m * lens.unproject(np.array([[x[0], y[0]]]))[0] if told else None
                far = 1e3 * np.linalg.norm(place - true) if place is not None else np.nan
                errors.append(float(far))
            self._wrists.append(errors)

    def spreads(self) -> tuple[np.ndarray, np.ndarray]:
        """Heatmaps' spreads (N,) and distances on both axes (N, 2) of valid joints, cells."""
        joints = torch.cat(self._joints).numpy()
        return joints[:, 5], np.abs(joints[:, 6:]) / 4

    def figures(self) -> dict[str, float]:
        """Every figure by name."""
        joints, presence = torch.cat(self._joints), torch.cat(self._presence)
        out: dict[str, float] = {}
        for name, kind in (("single", 0.0), ("interacting", 1.0)):
            j, p = joints[joints[:, 4] == kind], presence[presence[:, 2] == kind]
            out |= {
                f"{name}: 2D error, median [px of 256]": float(j[:, 0].median()),
                f"{name}: PCK@0.2 of the hand's box": float((j[:, 1] < 0.2).float().mean()),
                f"{name}: MPJPE, wrist depth given [mm]": float(j[:, 2].mean()),
                f"{name}: presence right": float(
                    ((p[:, 0] > 0.5) == (p[:, 1] > 0.5)).float().mean()
                ),
                f"{name}: joints within one sigma": float(_within(j).mean()),
            }
        alone = presence[(presence[:, 3] == 1) & (presence[:, 1] == 1)]
        out["handedness of one hand"] = float((alone[:, 4] > 0).float().mean())
        out["MRRPE, right wrist's depth given [mm]"] = float(torch.cat(self._between).mean())
        for i, name in enumerate(("known", "an adult's mean")):
            error = np.array(self._wrists)[:, i]
            out[f"wrist, hand size {name}: median [mm]"] = float(np.nanmedian(error))
            out[f"wrist, hand size {name}: mean [mm]"] = float(np.nanmean(error))
        out["wrist: not told"] = float(np.isnan(np.array(self._wrists)[:, 0]).mean())
        out["part IoU"] = float(torch.cat(self._overlap).nanmean())
        out["presence: expected calibration error"] = expected_error(_presence(presence))
        out["joints within one sigma"] = float(_within(joints).mean())
        return out

    def curves(self) -> dict[str, list[Curve]]:
        """Reliability curves: of presence, and of the joints' deviations."""
        joints, presence = torch.cat(self._joints), torch.cat(self._presence)
        kinds = (("one hand, or hands apart", 0.0), ("hands together", 1.0))
        return {
            # Of hands together both are there by definition: kinds apart would say nothing.
            "presence": [_presence(presence, "all crops")],
            "joint deviations": [_coverage(joints[joints[:, 4] == k], name) for name, k in kinds],
        }


def _presence(rows: Tensor, name: str = "") -> Curve:
    return curve(rows[:, 0].numpy(), rows[:, 1].numpy(), name)


def _within(joints: Tensor, sigmas: float = 1.0) -> Tensor:
    """Whether joints (N, 8) lie within so many deviations of the truth on each axis, (N, 2)."""
    return (joints[:, 6:].abs() < sigmas * joints[:, 3:4]).float()


def _coverage(joints: Tensor, name: str) -> Curve:
    """Share of joints within the interval that a normal distribution gives each probability."""
    normal = torch.distributions.Normal(0.0, 1.0)
    reach = [float(normal.icdf(torch.tensor(0.5 + c / 2))) for c in _COVERAGES]
    seen = np.array([float(_within(joints, r).mean()) for r in reach])
    return Curve(name, np.array(_COVERAGES), seen, np.full(len(reach), len(joints)))


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


def main(arguments: list[str] | None = None) -> int:
    """Command line; 2 with one sentence where the weights or the picture are at fault."""
    parser = argparse.ArgumentParser(description="Measure a pose network on kept-aside renders.")
    parser.add_argument("--weights", type=Path, help="default: the bundled ones")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=TEST_SEED)
    parser.add_argument("--reliability", type=Path, metavar="PICTURE", help="draw curves there")
    args = parser.parse_args(arguments)
    return flags.run_command(lambda: evaluate(args))


def evaluate(args: argparse.Namespace) -> None:
    """Measure, print, and draw what was asked for."""
    networks = load_networks(args.weights, "cpu")
    measured = Measured(networks.calibration)
    for images, truth in kept_aside(args.count, args.seed):
        measured.add(networks.pose, images, truth)
    print(f"{networks.weights}: {args.count} renders of seed {args.seed}, crop given")
    for name, value in measured.figures().items():
        print(f"  {name:52s} {value:8.3f}")
    if args.reliability:
        write_picture(args.reliability, cv2.cvtColor(draw(measured.curves()), cv2.COLOR_BGR2RGB))


if __name__ == "__main__":
    sys.exit(main())
