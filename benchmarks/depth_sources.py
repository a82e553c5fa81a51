# SPDX-License-Identifier: Apache-2.0
"""How well the wrist's depth is told by hand size and by a depth image, on renders.

    python -m benchmarks.depth_sources [--count 300] [--json OUT]
    python -m benchmarks.depth_sources --flesh

640x480 frames of identities never trained on, hands 0.3 to 1.2 m away, boxes given. The depth image
is the render's own with what depth cameras do to it: noise that grows with the square of the
distance, steps of a millimetre, holes at edges and elsewhere. `--flesh` fits the table of
digit_core/depth_image.py from frames of the identities that the weights are trained on.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from digit_core import Camera, DigitEstimator
from digit_core.boxes import tight
from digit_core.depth_image import BONE_KINDS, SHARES, DepthImage
from digit_core.hands import DepthSource, Hand
from digit_core.orientation import wrist_rotation
from digit_core.skeleton import JOINT_NAMES, SIDES, WRIST
from training.synth.draws import Draws
from training.synth.faults import degrade
from training.synth.pairs import TEST_IDENTITIES, TRAINED_IDENTITIES, PairOptions, random_pairs
from training.synth.picture import CloseUps, Frames, Pictures, Studio

WIDTH, HEIGHT = 640, 480
_CHUNK, _SEED = 20, 7_700
_LEFT_LABELS, _RIGHT_LABELS = range(17, 33), range(1, 17)
#: Noise of the depth, metres at one metre; edges sharper than this many metres leave holes.
_NOISE_AT_1M, _EDGE_M, _HOLES = 0.004, 0.02, 0.02


@dataclass
class Scene:
    """One rendered frame: picture, depth, camera, and each hand's joints where it is there."""

    rgb: np.ndarray
    depth: DepthImage
    camera: Camera
    joints_m: dict[str, np.ndarray]
    joints_px: dict[str, np.ndarray]
    size_m: float
    together: bool


def scenes(count: int) -> Iterator[Scene]:
    """Frames by seed, with camera faults and an imperfect depth image."""
    studio, rng = Studio(), np.random.default_rng(_SEED)
    for chunk in range((count + _CHUNK - 1) // _CHUNK):
        draws = Draws(_SEED + chunk)
        pairs = random_pairs(
            draws, studio.model, _CHUNK, PairOptions(0.4, 0.3, 0.3, TEST_IDENTITIES)
        )
        options = Frames(distance_m=(0.3, 1.2), empty=0.0, distorted=0.0)
        pictures = studio.frames(draws, pairs, WIDTH, HEIGHT, options)
        images = (255 * degrade(draws, pictures.rgb)).round().byte().permute(0, 2, 3, 1).numpy()
        for i in range(min(_CHUNK, count - _CHUNK * chunk)):
            yield _scene(pictures, images[i], i, rng)


def _scene(pictures: Pictures, rgb: np.ndarray, i: int, rng: np.random.Generator) -> Scene:
    focal = np.broadcast_to(pictures.camera.focal[i].numpy(), 2)
    centre = pictures.camera.centre[i].numpy()
    camera = Camera(*focal.tolist(), *centre.tolist(), WIDTH, HEIGHT, model="none")
    pixels, joints = pictures.joints_px[i].numpy(), pictures.joints_cam_m[i].numpy()
    seen = [bool(pictures.present[i, h]) and _is_in_view(pixels[h]) for h in range(len(SIDES))]
    return Scene(
        rgb=rgb,
        depth=_as_a_camera_sees(pictures.depth[i].numpy(), rng),
        camera=camera,
        joints_m={side: joints[h] for h, side in enumerate(SIDES) if seen[h]},
        joints_px={side: pixels[h] for h, side in enumerate(SIDES) if seen[h]},
        size_m=float(pictures.size_m[i]),
        together=bool(pictures.interacting[i]) and all(seen),
    )


def _is_in_view(pixels: np.ndarray) -> bool:
    return bool(((pixels > 0) & (pixels < (WIDTH, HEIGHT))).all())


def _as_a_camera_sees(depth: np.ndarray, rng: np.random.Generator) -> DepthImage:
    """uint16 millimetres with noise and holes; what is not rendered is a wall at 3 m."""
    depth = np.where(depth > 0, depth, 3.0).astype(np.float32)
    window = np.ones((3, 3), np.uint8)
    edges = cv2.dilate(depth, window) - cv2.erode(depth, window) > _EDGE_M
    blobs = cv2.GaussianBlur(rng.normal(size=depth.shape), (0, 0), 4)
    holes = edges | (blobs > np.quantile(blobs, 1 - _HOLES))
    noise = cv2.GaussianBlur(rng.normal(size=depth.shape), (0, 0), 1)
    noisy = depth + _NOISE_AT_1M * depth**2 * noise / noise.std()
    return DepthImage(np.where(holes, 0, 1000 * noisy).round().astype(np.uint16), 0.001)


def measure(estimator: DigitEstimator, scene: Scene) -> list[dict]:
    """A row for each hand that was seen: what each source says, and the truth."""
    boxes = [tight(pixels) for pixels in scene.joints_px.values()]
    known = estimator.tracker(hand_size_m=scene.size_m)
    rows: dict[str, dict] = {}
    asks = {
        "size": (estimator.tracker(), None),
        "known size": (known, None),
        "depth image": (estimator.tracker(), lambda: scene.depth),
    }
    for name, (track, depth) in asks.items():
        hands = track(scene.rgb, scene.camera, 0.0, boxes, depth)
        for hand in hands.raw or hands:
            if hand.side in scene.joints_m and hand.joints_3d is not None:
                row = rows.setdefault(hand.side, {"together": scene.together})
                row[name] = _errors(hand, scene)
    return [row for row in rows.values() if len(row) == 1 + len(asks)]


def _errors(hand: Hand, scene: Scene) -> dict:
    truth = scene.joints_m[hand.side]
    assert hand.joints_3d is not None
    return {
        "source": int(hand.depth_source),
        "depth_m": float(hand.joints_3d[WRIST, 2] - truth[WRIST, 2]),
        "wrist_m": float(np.linalg.norm(hand.joints_3d[WRIST] - truth[WRIST])),
        "joints_m": float(np.nanmean(np.linalg.norm(hand.joints_3d - truth, axis=1))),
        "sigma_m": float(hand.depth_sigma),
    }


def table(rows: list[dict]) -> dict[str, dict[str, float]]:
    """Figures by source and kind."""
    out = {}
    for kind, together in (("one, or apart", False), ("together", True)):
        of_kind = [row for row in rows if row["together"] is together]
        for source in ("size", "known size", "depth image"):
            errors = [row[source] for row in of_kind]
            told = [e for e in errors if e["source"] == DepthSource.DEPTH_IMAGE]
            errors = told if source == "depth image" else errors
            depth = np.abs([e["depth_m"] for e in errors])
            out[f"{kind}, by {source}"] = {
                "hands": len(errors),
                "wrist depth, median [mm]": 1e3 * float(np.median(depth)),
                "wrist depth, p90 [mm]": 1e3 * float(np.percentile(depth, 90)),
                "bias [mm]": 1e3 * float(np.median([e["depth_m"] for e in errors])),
                "all joints, median [mm]": 1e3 * float(np.median([e["joints_m"] for e in errors])),
                "within one sigma": float(np.mean(depth < [e["sigma_m"] for e in errors])),
            }
    return out


def fit_flesh(count: int) -> dict[str, np.ndarray]:
    """a, b, c and the spread for each kind of place; see digit_core/depth_image.py."""
    rows = np.concatenate([_flesh_rows(chunk) for chunk in range((count + 49) // 50)])
    kinds = [name for pair in BONE_KINDS for name in pair]
    return {name: _robust_fit(rows[rows[:, 0] == n]) for n, name in enumerate(kinds)}


def _flesh_rows(chunk: int) -> np.ndarray:
    """(N, 3): kind, n.v, flesh over size, where the hand itself is what is seen."""
    studio, draws = Studio(backgrounds=20), Draws(100 + chunk)
    pairs = random_pairs(draws, studio.model, 50, PairOptions(0.5, 0.3, 0.2, TRAINED_IDENTITIES))
    pictures = studio.close_ups(draws, pairs, 256, CloseUps(margin=(1.1, 1.5), distorted=0.0))
    rows = []
    for i in range(50):
        for h, side in enumerate(SIDES):
            if pictures.present[i, h] and pictures.focus[i] != 1 - h:
                rows += _flesh_of(pictures, i, h, side)
    return np.array(rows)


def _flesh_of(pictures: Pictures, i: int, h: int, side: str) -> list[tuple[float, float, float]]:
    joints, labels = pictures.joints_cam_m[i, h].numpy(), pictures.labels[i].numpy()
    own = _RIGHT_LABELS if h == 0 else _LEFT_LABELS
    sight = joints[WRIST] / np.linalg.norm(joints[WRIST])
    facing = float(wrist_rotation(joints, side)[:, 1] @ sight)
    rows = []
    for finger in ("index", "middle", "ring", "pinky"):
        chain = [WRIST] + [JOINT_NAMES.index(f"{finger}_{n}") for n in (1, 2, 3)]
        for bone in range(3):
            for share in SHARES:
                point = (1 - share) * joints[chain[bone]] + share * joints[chain[bone + 1]]
                pixel = point[:2] / point[2] * pictures.camera.focal[i].numpy()
                x, y = np.round(pixel + pictures.camera.centre[i].numpy()).astype(int)
                if 0 <= x < 256 and 0 <= y < 256 and labels[y, x] in own:
                    flesh = (point[2] - float(pictures.depth[i, y, x])) / float(pictures.size_m[i])
                    rows.append((2 * bone + (share > 0), facing, flesh))
    return rows


def _robust_fit(rows: np.ndarray) -> np.ndarray:
    facing, flesh = rows[:, 1], rows[:, 2]
    terms = np.stack([np.ones_like(facing), facing, 1 - np.abs(facing)], axis=1)
    weight = np.ones(len(rows))
    for _ in range(30):  # Least absolute deviations, by reweighting.
        root = np.sqrt(weight)
        fit = np.linalg.lstsq(terms * root[:, None], flesh * root, rcond=None)[0]
        off = np.abs(flesh - terms @ fit)
        weight = 1 / np.maximum(off / np.median(off), 0.2)
    return np.append(fit, 1.48 * np.median(off))


def main() -> None:
    """Print the table, or the fit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--count", type=int, default=300, help="frames")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--flesh", action="store_true", help="fit the table of flesh instead")
    arguments = parser.parse_args()
    if arguments.flesh:
        for name, fit in fit_flesh(400).items():
            print(f"{name:<14}", " ".join(f"{value:+.3f}" for value in fit))
        return
    estimator = DigitEstimator.load(device="cpu")
    rows = [row for scene in scenes(arguments.count) for row in measure(estimator, scene)]
    figures = table(rows)
    for name, row in figures.items():
        print(f"{name:<32}", "  ".join(f"{key} {value:.2f}" for key, value in row.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
