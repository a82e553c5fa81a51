# SPDX-License-Identifier: Apache-2.0
"""Make confidences honest: `python -m training.default_weights.calibrate [--weights FILE]`.

Fits `digit_core.decode.Calibration` on renders kept aside, of seeds that no measurement uses, and
writes it into the weights file. With `--photos FOLDER...` hands are also fitted on half of the
repositories of the photos' split `val`; the other half is for measuring. A heatmap's spread
overstates a sharp joint's error (its target is a Gaussian itself) and understates a blurred one's:
the deviation that holds 68 % of the errors grows as a power of the spread. Presence is learnt on
crops about hands; that a hand is there of what is found in whole pictures, many of them without
hands, is told by logistic regression.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

from digit_core import DigitEstimator
from digit_core.decode import NOT_CALIBRATED, Calibration
from digit_core.network.checkpoint import write_safetensors
from digit_core.settings import Settings
from digit_core.weights import BUNDLED, Networks, load_networks
from training.default_weights.evaluate import Measured, kept_aside
from training.default_weights.frames import frames
from training.default_weights.photos import Photo, PhotoHand, read_photos

FIT_SEED, FRAMES_SEED = 21_001, 31_001
CROPS, FRAMES = 1000, 400
#: A hand is there where so many of its joints are near.
_HALF = 0.5
#: Presence from which hands are fitted.
_LEAST = 0.1
_RIDGE = 1e-3
_ONE_SIGMA, _GROUPS = 0.6827, 20


def fitted(spread: np.ndarray, distance: np.ndarray) -> Calibration:
    """The power law through what holds 68 % of the distances, in equal groups by spread.

    Args:
        spread: (N,) of heatmaps, cells.
        distance: (N, 2) of joints from the truth on each axis, cells.
    """
    groups = np.array_split(np.argsort(spread), _GROUPS)
    x = [np.log(np.median(spread[rows])) for rows in groups]
    y = [np.log(np.quantile(distance[rows], _ONE_SIGMA)) for rows in groups]
    power, offset = np.polyfit(x, y, 1)
    return Calibration(sigma_gain=float(np.exp(offset)), sigma_power=float(power))


def fitted_hands(
    presence: np.ndarray, sharpness: np.ndarray, there: np.ndarray, weight: np.ndarray | None = None
) -> np.ndarray:
    """Logistic regression: weights of presence's log-odds and of ln(sharpness), and the offset.

    Args:
        presence: (N,) probabilities.
        sharpness: (N,) mean confidence of each hand's joints.
        there: (N,) bool.
        weight: (N,) how much each counts; alike without.
    """
    p = torch.from_numpy(presence).double().clamp(1e-4, 1 - 1e-4)
    x = torch.stack([p.logit(), torch.from_numpy(sharpness).double().log(), torch.ones_like(p)], 1)
    y, found = torch.from_numpy(there).double(), torch.zeros(3, dtype=torch.float64)
    shares = torch.ones_like(y) if weight is None else torch.from_numpy(weight).double()
    shares = shares / shares.mean()
    optimizer = torch.optim.LBFGS([found.requires_grad_()], max_iter=300)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        fit = torch.nn.functional.binary_cross_entropy_with_logits(x @ found, y, shares)
        value = fit + _RIDGE * found.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return found.detach().numpy()


#: A picture (H, W, 3) uint8, its labelled hands, and whether there are no others.
Labelled = tuple[np.ndarray, Sequence[PhotoHand], bool]


def hands_told(networks: Networks, pictures: Iterable[Labelled]) -> np.ndarray:
    """What is told of pictures: rows (N, 3) of presence, sharpness, and 1 where a hand is there.

    Of pictures that may show more hands than are labelled only what lies on a labelled one counts.
    """
    estimator = DigitEstimator(networks, settings=Settings(presence_on=_LEAST, presence_off=_LEAST))
    rows = []
    for image, labels, complete in pictures:
        for hand in estimator(image):
            share = max((within(hand.joints_2d, label) for label in labels), default=0.0)
            if complete or share >= _HALF:
                sharpness = float(hand.joint_confidence.mean())
                rows.append((hand.confidence, sharpness, float(share >= _HALF)))
    return np.array(rows).reshape(-1, 3)


def rendered(count: int) -> Iterator[Labelled]:
    """Rendered frames of people kept aside, half of them without hands."""
    for image, entry in frames(count, FRAMES_SEED):
        hands = [PhotoHand(h["side"], np.array(h["keypoints_2d"])) for h in entry["hands"]]
        yield image, hands, True


def fitting_half(photos: Sequence[Photo]) -> list[Photo]:
    """Those of every second repository, so that both halves have large and small ones."""
    count = Counter(photo.repository for photo in photos)
    by_size = sorted(count, key=lambda name: (-count[name], name))
    ours = {name for i, name in enumerate(by_size) if i % 4 in (0, 3)}
    return [photo for photo in photos if photo.repository in ours]


def within(joints: np.ndarray, label: PhotoHand) -> float:
    """Share of joints (21, 2) within a fifth of the labelled box's longer side of their truth."""
    error = np.linalg.norm(joints - label.joints, axis=1)
    return float((error <= 0.2 * label.extent).mean())


def write(weights: Path, calibration: Calibration) -> None:
    """Write a calibration into a weights file's metadata; its tensors stay as they are."""
    with safe_open(weights, framework="pt") as file:
        metadata = file.metadata() or {}
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
    metadata |= {name: f"{value:.4f}" for name, value in vars(calibration).items()}
    write_safetensors(weights, tensors, metadata)


def calibrate(
    weights: Path, count: int, frame_count: int, photos: Sequence[Photo] = ()
) -> Calibration:
    """Fit on `count` crops, `frame_count` whole frames and photos; write the result into the file.

    Raises:
        ValueError: the networks see no hand in those frames; nothing was written.
    """
    networks, measured = load_networks(weights, "cpu"), Measured()
    for images, truth in kept_aside(count, FIT_SEED):
        measured.add(networks.pose, images, truth)
    found = fitted(*measured.spreads())
    law = presence_law(networks, frame_count, photos)
    if law is None:
        raise ValueError(
            f"no hand is seen in {frame_count} frames; these weights must learn more first"
        )
    found = replace(found, **law)
    write(weights, found)
    return found


def presence_law(
    networks: Networks, frame_count: int, photos: Sequence[Photo] = ()
) -> dict[str, float] | None:
    """`Calibration`'s numbers of a hand's probability, fitted on rendered frames and on photos.

    None where the networks see no hand in any. Renders and photos weigh the same, however many
    there are.
    """
    plain = replace(networks, calibration=NOT_CALIBRATED)
    real = ((p.image, p.hands, p.complete) for p in photos if p.hands or p.complete)
    sources = [
        rows for rows in (hands_told(plain, s) for s in (rendered(frame_count), real)) if len(rows)
    ]
    if not sources:
        return None
    weight = np.concatenate([np.full(len(rows), 1 / len(rows)) for rows in sources])
    presence, sharpness, there = np.concatenate(sources).T
    hands = fitted_hands(presence, sharpness, there > 0, weight)
    names = ("presence_weight", "sharpness_weight", "offset")
    return dict(zip(names, map(float, hands), strict=True))


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", type=Path, default=BUNDLED)
    parser.add_argument("--count", type=int, default=CROPS, help="crops")
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--photos", type=Path, nargs="+", default=[], metavar="FOLDER")
    args = parser.parse_args()
    try:
        photos = fitting_half(read_photos(args.photos, "val")) if args.photos else []
        print(f"{args.weights}: {calibrate(args.weights, args.count, args.frames, photos)}")
    except (ValueError, OSError) as error:
        print(f"calibrate: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
