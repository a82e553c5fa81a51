# SPDX-License-Identifier: Apache-2.0
"""Our DIGIT network beside the release's: same weights file, same images, largest differences.

    python -m benchmarks.parity_digit PATH_OF_THE_RELEASE [--photo PHOTO] [--json OUT]

Every filling is written as the published form (one mapping, `model.` before each key) and read
from that file by both sides. Exits with 1 if a difference is over its bound.
"""

import argparse
import contextlib
import json
import platform
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks import digit_release, network_filling, network_golden
from digit_core.network import build_model
from digit_core.network.checkpoint import load_model
from digit_core.network.keys import published_from_ours

BOUNDS = {  # quantity: (float32, float64)
    "heatmaps": (1e-3, 1e-9),
    "joints xy [cells]": (2e-3, 1e-9),
    "joint depths [cells]": (1e-3, 1e-9),
    "root depth [bins]": (1e-3, 1e-9),
    "hand logits": (1e-3, 1e-9),
    "part logits": (1e-3, 1e-9),
    "parts, not at ties": (0.0, 0.0),
}
TIE = 1e-3  # two best part logits closer than this are a tie


def test_images(photo: str | None) -> tuple[list[str], torch.Tensor]:
    """Names and (N, 3, 256, 256) float64 images in [0, 1]."""
    noise = network_filling.uniform("noise", (1, 3, 256, 256))
    images = {
        "noise": torch.from_numpy(0.5 + 0.5 * noise),
        "black": torch.zeros(1, 3, 256, 256, dtype=torch.float64),
        "white": torch.ones(1, 3, 256, 256, dtype=torch.float64),
        "blobs": network_filling.image("a"),
    }
    if photo:
        picture = cv2.imread(photo)
        if picture is None:
            raise SystemExit(f"{photo}: cannot be read; expected a picture")
        picture = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), (256, 256))
        images["photo"] = torch.from_numpy(picture / 255.0).permute(2, 0, 1)[None]
    return list(images), torch.cat(list(images.values()))


def fillings(images: torch.Tensor) -> dict[str, dict[str, torch.Tensor]]:
    """State dicts (float32) by name: two plain, two calibrated to answer like a trained one.

    "rule, peaked" is the filling of the tests, so their golden numbers are checked here too.
    """
    states = {}
    states["rule"] = _float32(network_filling.fill(build_model("digit")))
    states["rule, peaked"] = _float32(network_golden.golden_model())
    small = torch.nn.functional.interpolate(images, 128, mode="area")
    for seed in (1, 2):
        torch.manual_seed(seed)  # for the biases, which keep their first values
        model = kaiming(build_model("digit").double(), seed)
        if seed == 2:
            network_filling.calibrate(model, small)
        states[f"kaiming {seed}" + (", peaked" if seed == 2 else "")] = _float32(model)
    return states


def kaiming(model: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Normal weights by fan-in, batch norms with random factors and statistics."""
    draw = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            torch.nn.init.kaiming_normal_(module.weight, generator=draw)
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.2, 0.8, generator=draw)
            module.bias.data.normal_(0.0, 0.1, generator=draw)
            module.running_mean.normal_(0.0, 0.3, generator=draw)
            module.running_var.uniform_(0.5, 2.0, generator=draw)
    return model.eval()


def run_release(model: torch.nn.Module, images: torch.Tensor) -> dict[str, np.ndarray]:
    """The release's quantities, by the names of `BOUNDS`."""
    from elytra.hm_utils import hm2xy

    out = model.pose_reg(images, None, None)
    return {
        "heatmaps": out["hm_2d"],
        "joints xy [cells]": hm2xy(out["hm_2d"], (64, 64, 64), 1.0),
        "joint depths [cells]": out["zval"],
        "root depth [bins]": out["rel_root_depth_out"],
        "hand logits": out["hand_type"],
        "part logits": out["segm_dict"]["segm_logits"],
        "parts": out["segm_dict"]["segm_mask"],
    }


def run_ours(model: torch.nn.Module, images: torch.Tensor) -> dict[str, np.ndarray]:
    """The same quantities of our network."""
    out = model(images)
    return {
        "heatmaps": out.heatmaps,
        "joints xy [cells]": out.joints_25d[:, :, :2],
        "joint depths [cells]": out.joints_25d[:, :, 2],
        "root depth [bins]": out.root_depth,
        "hand logits": out.hand_logits,
        "part logits": out.part_logits,
        "parts": out.part_logits.argmax(dim=1),
    }


def differences(ours: dict, theirs: dict) -> dict[str, float]:
    """Largest absolute difference by quantity; for parts the number of wrong pixels, ties apart."""
    found = {key: float((ours[key] - theirs[key]).abs().max()) for key in list(BOUNDS)[:-1]}
    best = theirs["part logits"].topk(2, dim=1).values
    clear = (best[:, 0] - best[:, 1]) > TIE
    wrong = ours["parts"] != theirs["parts"]
    found["parts, not at ties"] = float((wrong & clear).sum())
    found["parts, all pixels"] = float(wrong.sum())
    return found


def compare(
    release: torch.nn.Module, state: dict, images: torch.Tensor, dtype: torch.dtype
) -> dict:
    """Both sides read the same file and see the same images in `dtype`."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "filled.pt")
        torch.save({f"model.{k}": v for k, v in published_from_ours(state).items()}, path)
        with contextlib.redirect_stdout(None):
            release.float().load_pretrained(path)
        ours = load_model(path).to(dtype)
    theirs = run_release(release.to(dtype).eval(), images.to(dtype))
    result = differences(run_ours(ours, images.to(dtype)), theirs)
    result["median peak"] = float(theirs["heatmaps"].flatten(2).softmax(2).amax(2).median())
    result["classes"] = int(theirs["parts"].unique().numel())
    return result


def show(rows: list[dict]) -> bool:
    """Print the table as Markdown; true when every difference is within its bound."""
    columns = [*BOUNDS, "parts, all pixels", "median peak", "classes"]
    print("| filling | dtype | " + " | ".join(columns) + " |")
    print("| --- " * (len(columns) + 2) + "|")
    good = True
    for row in rows:
        good &= all(row[key] <= BOUNDS[key][row["dtype"] == "float64"] for key in BOUNDS)
        numbers = " | ".join(f"{row[key]:.3g}" for key in columns)
        print(f"| {row['filling']} | {row['dtype']} | {numbers} |")
    print("within the bounds" if good else "OVER A BOUND")
    return good


def _float32(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    state = model.state_dict().items()
    return {k: v.float() if v.is_floating_point() else v.clone() for k, v in state}


def main() -> int:
    """Compare, print, and say by the exit status whether all is within the bounds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("release", help="folder of a clone of the DIGIT release")
    parser.add_argument("--photo", help="one more image: a photo")
    parser.add_argument("--json", help="write the table here")
    arguments = parser.parse_args()
    digit_release.open_release(arguments.release)
    torch.set_grad_enabled(False)
    names, images = test_images(arguments.photo)
    release = digit_release.build_model()
    print(f"images: {', '.join(names)}; torch {torch.__version__}, {platform.machine()} CPU")
    rows = []
    for filling, state in fillings(images).items():
        for dtype in (torch.float32, torch.float64):
            label = {"filling": filling, "dtype": str(dtype).removeprefix("torch.")}
            rows.append(label | compare(release, state, images, dtype))
    good = show(rows)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=1) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
