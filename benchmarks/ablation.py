# SPDX-License-Identifier: Apache-2.0
"""What each randomisation of the renders is worth: `python -m benchmarks.ablation --work FOLDER
[--photos FOLDER]`.

Trains one small pose network on renders with everything varied, and one more for each kind of
variety that is left out, all from the same start on right hands alone, and scores them on renders
of people kept aside (everything varied, camera faults too) and on photos of `benchmarks.photos`
(single hands; box and side given, left hands mirrored). Resumes anywhere; prints a table, and the
score on the way for the network that saw everything: a curve of score against samples.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import torch
from torch import Tensor

from digit_core.crop import Crop
from digit_core.media import Media
from digit_core.network.lite import DigitLite
from digit_core.skeleton import PUBLIC_FROM_NETWORK
from training import options as flags
from training.default_weights.photos import read_photos
from training.default_weights.stream import Stage, Stream, right_alone
from training.default_weights.targets import pose_targets
from training.default_weights.train import Run, add_stream_options, train
from training.interhand.errors import DataError
from training.synth.draws import Draws
from training.synth.faults import degrade
from training.synth.pairs import TEST_IDENTITIES, PairOptions, random_pairs
from training.synth.picture import CloseUps, Studio

#: What `Stream` can keep from varying, in words; one arm leaves out each.
LEFT_OUT = {
    "faults": "camera faults",
    "scene": "people, things, backgrounds about the hand",
    "light": "light",
    "looks": "skin and clothes",
    "identities": "shapes of hands",
}
#: The arm that leaves out nothing.
EVERYTHING = ""
PATCH, TEST_SEED = 256, 9_501
_SHARE, _CHUNK = 0.2, 50
_RIGHT_HANDS = (Stage(10**15, only_right=True),)

#: Images (n, 3, 256, 256) in 0..1, and joints (n, 21, 2) in their pixels, public order.
Test = tuple[Tensor, Tensor]


def rendered(count: int) -> Test:
    """Right hands of people kept aside; only those that lie wholly in their crops."""
    studio, images, joints = Studio(), [], []
    for seed in range(TEST_SEED, TEST_SEED + -(-count // _CHUNK)):
        draws = Draws(seed)
        options = PairOptions(0.0, 0.0, 0.0, TEST_IDENTITIES)
        pairs = right_alone(random_pairs(draws, studio.model, _CHUNK, options))
        pictures = studio.close_ups(draws, pairs, PATCH, CloseUps(margin=(1.1, 1.5)))
        whole = pose_targets(pictures)["valid"][:, :21].all(1)
        images.append(degrade(draws, pictures.rgb)[whole])
        joints.append(pictures.joints_px[:, 0][whole])
    return torch.cat(images), torch.cat(joints)


def photographed(folder: Path) -> Test:
    """Single hands of a folder of photos, cut out by their labels; left ones mirrored."""
    try:
        photos = read_photos([folder])
    except ValueError as error:
        raise DataError(str(error)) from error
    images, joints = [], []
    for photo in photos:
        if len(photo.hands) != 1:
            continue
        (picture,), (hand,) = Media.open(photo.path).frames(), photo.hands
        crop = Crop.around(hand.box)
        patch, points = crop.cut(picture), crop.to_patch(hand.joints)
        if hand.side == "left":
            patch, points = cv2.flip(patch, 1), points * (-1, 1) + (PATCH - 1, 0)
        images.append(torch.from_numpy(patch).permute(2, 0, 1) / 255)
        joints.append(torch.from_numpy(points))
    return torch.stack(images), torch.stack(joints)


@torch.inference_mode()
def score(net: DigitLite, size: int, test: Test, device: torch.device) -> dict[str, float]:
    """Share of joints within 0.2 of the hand's longer side, and median error, pixels of 256."""
    images, true = test
    kept, net.input_scale = net.input_scale, size / PATCH
    answers = [net(some.to(device)).joints_25d.float().cpu() for some in images.split(50)]
    net.input_scale = kept
    found = 4 * torch.cat(answers)[:, list(PUBLIC_FROM_NETWORK), :2]
    error = (found - true).norm(dim=2)
    side = (true.amax(1) - true.amin(1)).amax(1, keepdim=True)
    return {"pck": float((error < _SHARE * side).float().mean()), "px": float(error.median())}


def run_arm(
    o: argparse.Namespace, kind: str, curve: tuple[int, ...], measure: Callable[[DigitLite], dict]
) -> list[dict]:
    """Train one arm, scoring it at each number of samples in `curve`."""
    folder = o.work / (f"without_{kind}" if kind else "everything")
    known = folder.with_suffix(".json")
    points = json.loads(known.read_text()) if known.exists() else []
    if len(points) == len(curve):
        return points
    run = Run("pose", folder, o.device)
    constant = frozenset({kind} - {EVERYTHING})
    stream = Stream("pose", o.device, o.seed, o.pool, constant, o.size, _RIGHT_HANDS)
    for until in curve[len(points) :]:
        train(run, stream, curve[-1], o.batch, o.steps_a_render, float("inf"), until)
        net = run.average.net
        assert isinstance(net, DigitLite)
        points.append({"samples": run.samples, **measure(net)})
        print(f"{_words(kind)}: {points[-1]}", flush=True)
        known.write_text(json.dumps(points))
    return points


def main(arguments: list[str] | None = None) -> int:
    """Command line; 2 with one sentence where a folder cannot be read or written."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ablation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--work", type=Path, required=True, help="folder of states and scores")
    parser.add_argument("--photos", type=Path, help="folder of benchmarks.photos")
    parser.add_argument("--samples", type=int, default=40_000, help="that each network sees")
    parser.add_argument("--size", type=int, default=128, help="side of the crops, pixels")
    parser.add_argument("--renders", type=int, default=500, help="of the test set")
    add_stream_options(parser, batch=32, steps_a_render=2)
    o = parser.parse_args(arguments)
    return flags.run_command(lambda: compare(o))


def compare(o: argparse.Namespace) -> None:
    """Train and score all arms; print the table."""
    o.work.mkdir(parents=True, exist_ok=True)
    keep_to_one(o)
    # Photos first: what is wrong with them should be said at once.
    photos = {"photos": photographed(o.photos)} if o.photos else {}
    tests = {"renders": rendered(o.renders), **photos}

    def measure(net: DigitLite) -> dict:
        device = torch.device(o.device)
        return {name: score(net, o.size, test, device) for name, test in tests.items()}

    curve = tuple(o.samples * i // 4 for i in (1, 2, 3, 4))
    rows = {kind: run_arm(o, kind, curve, measure)[-1] for kind in (EVERYTHING, *LEFT_OUT)}
    counts = ", ".join(f"{len(test[0])} {name}" for name, test in tests.items())
    print(f"\n{o.samples} crops of {o.size} px each; PCK@0.2 (median error, px of 256) on {counts}")
    for kind, row in rows.items():
        cells = [f"{row[t]['pck']:.3f} ({row[t]['px']:.1f})" for t in tests]
        print(f"| {_words(kind)} | " + " | ".join(cells) + " |")


def keep_to_one(o: argparse.Namespace) -> None:
    """Write down what is compared; scores of other options must not be taken for these.

    Raises:
        DataError: the folder holds another comparison.
    """
    path = o.work / "options.json"
    now = {name: str(value) for name, value in vars(o).items() if name not in ("work", "device")}
    before = json.loads(path.read_text()) if path.exists() else now
    other = [name for name in now if before.get(name) != now[name]]
    if other:
        told = ", ".join(f"{name} {before.get(name)}, not {now[name]}" for name in other)
        raise DataError(f"{path}: this folder is of another comparison ({told}); take another")
    path.write_text(json.dumps(now))


def _words(kind: str) -> str:
    return f"without {LEFT_OUT[kind]}" if kind else "everything varied"


if __name__ == "__main__":
    sys.exit(main())
