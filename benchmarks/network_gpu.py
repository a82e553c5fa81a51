# SPDX-License-Identifier: Apache-2.0
"""Full `digit` network on CUDA beside the DIGIT release: frames in host memory to joints there.

    python -m benchmarks.network_gpu [RELEASE] [--json OUT] [--device cpu --batches 1 --repeats 2]

RELEASE is a folder with the release's `src/model`, `src/nets`, `src/utils` and `elytra`; without it
only our side is run. Ours has weights made by rule, the release its random start, which cost the
same time as trained ones. A pass of ours is uint8 frames of 640x480, two crops of each -> upload ->
crops cut on the card -> network -> joints in host memory (`PoseRuntime.from_frames`, one CUDA graph
a batch size); rows named crops start from crops cut in host memory. One of the release is float
crops already on the card -> its eager forward -> its own soft-argmax -> numpy. At batch 1 the
release runs in float32, as it does when tested; at larger ones in the best of float32, fp16 and
bf16 autocast.

Also printed: the difference of each precision's answer from the plain float32 network's (far more
than a trained network's, of which test/training/synth/test_precision.py tells), and the
share of the card's dense matrix peak (--peak-tflops, 989 for an H100 or H200 SXM in 16 bits).
Writes $OUT/network_gpu.json where OUT is set and --json is not given.
"""

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch

from benchmarks import digit_release, network_filling
from benchmarks.hardware import hardware
from digit_core.crop import Crop
from digit_core.decode import pack
from digit_core.device_cut import images_of
from digit_core.network import build_model
from digit_core.runtime import PoseRuntime

#: Multiply-adds of `digit` for a crop, counted twice: torch's FlopCounterMode on this network.
GFLOP_A_CROP = 47.7
JOINTS, PX_PER_CELL = 42, 4
FP32_TOLERANCE = 1e-4
WARM_UP = 3


def measure(run: Callable[[], object], repeats: int, seconds: float) -> dict[str, float]:
    """Milliseconds of a call that ends in host memory: median and p90 after a warm-up."""
    for _ in range(WARM_UP):
        run()
    times, end = [], time.perf_counter() + seconds
    while len(times) < repeats and (len(times) < 3 or time.perf_counter() < end):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return {
        "median_ms": float(np.median(times)),
        "p90_ms": float(np.percentile(times, 90)),
        "runs": len(times),
    }


def filled(device: torch.device) -> torch.nn.Module:
    """`digit` filled by rule and calibrated at the size that it is run at."""
    network = network_filling.fill(build_model("digit"))
    network = network_filling.calibrate(network, network_filling.image("a").float())
    return network.requires_grad_(False).to(device)


class Work(NamedTuple):
    """What a pass begins with: frames and the crops of each, and the same crops cut."""

    images: list[np.ndarray]
    crops: list[list[Crop]]
    patches: np.ndarray


def work(batch: int) -> Work:
    """Frames (480, 640, 3) uint8 with two crops each, but for a last one; and these cut."""
    picture = network_filling.image("a")[0].permute(1, 2, 0) * 255
    frame = cv2.resize(picture.round().to(torch.uint8).numpy(), (640, 480))
    images = [np.roll(frame, 3 * k, axis=1) for k in range((batch + 1) // 2)]
    places = [Crop(220.0 + k % 64, 240.0, 300.0 + k % 32) for k in range(batch)]
    crops = [places[2 * k : 2 * k + 2] for k in range(len(images))]
    pairs = zip(images, crops, strict=True)
    return Work(images, crops, np.stack([c.cut(i) for i, some in pairs for c in some]))


def release_pass(
    model: torch.nn.Module, images: torch.Tensor, dtype: torch.dtype
) -> Callable[[], object]:
    """The release's eager forward and its decoding, ending in host memory."""
    from elytra.hm_utils import hm2xy

    def run() -> object:
        autocast = torch.autocast(images.device.type, dtype, enabled=dtype != torch.float32)
        with torch.inference_mode(), autocast:
            out = model.pose_reg(images, None, None)
            xy = hm2xy(out["hm_2d"].float(), (64, 64, 64), 1.0)
        small = (xy, out["zval"], out["rel_root_depth_out"], out["hand_type"])
        return [tensor.float().cpu().numpy() for tensor in small]

    return run


def open_release(path: str, device: torch.device) -> torch.nn.Module:
    """The release's network with its own random start, on the device."""
    digit_release.open_release(path)
    # The stand-ins of a machine without a GPU would keep one constant of its forward there.
    torch.cuda.FloatTensor = torch.FloatTensor
    torch.cuda.comm.broadcast = lambda tensor, devices: [tensor.to(device)]
    with contextlib.redirect_stdout(sys.stderr):
        return digit_release.build_model().eval().requires_grad_(False).to(device)


def differences(numbers: np.ndarray, plain: np.ndarray) -> dict[str, float]:
    """How far joints lie from the plain network's, in pixels of the crop and as a share."""
    xy, expected = (n[:, : 5 * JOINTS].reshape(-1, JOINTS, 5)[..., :2] for n in (numbers, plain))
    error_px = np.linalg.norm(xy - expected, axis=-1) * PX_PER_CELL
    return {
        "median_px": float(np.median(error_px)),
        "p99_px": float(np.percentile(error_px, 99)),
        "of_largest": float(np.abs(numbers - plain).max() / np.abs(plain).max()),
    }


@torch.inference_mode()
def plain_numbers(
    network: torch.nn.Module, patches: np.ndarray, device: torch.device
) -> np.ndarray:
    """`pack`'s numbers of the network as it is: norms not folded, float32, op by op."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        return pack(network(images_of(torch.from_numpy(patches).to(device)))).cpu().numpy()


def our_rows(device: torch.device, args: argparse.Namespace) -> list[dict]:
    """Times and differences of every precision at every batch size."""
    network, rows = filled(device), []
    for batch in args.batches:
        given = work(batch)
        plain = plain_numbers(network, given.patches, device)
        for precision in args.precisions:
            for graphs in (True, False) if device.type == "cuda" else (False,):
                pose = PoseRuntime(network, device, precision, graphs=graphs, engine="torch")
                passes = {
                    "frames": lambda r=pose, w=given: r.from_frames(w.images, w.crops),
                    "crops": lambda r=pose, w=given: r(w.patches),
                }
                for name, run in passes.items():
                    row = {"side": "ours", "from": name, "batch": batch, "precision": precision}
                    row |= {"graph": graphs} | differences(run()[0], plain)
                    rows.append(row | measure(run, args.repeats, args.seconds))
                    show(rows[-1], args.peak_tflops)
                del pose, passes
    return rows


def release_rows(device: torch.device, args: argparse.Namespace) -> list[dict]:
    """Times of the release, in float32 at batch 1 and in every precision at others."""
    model, rows = open_release(args.release, device), []
    for batch in args.batches:
        images = images_of(torch.from_numpy(work(batch).patches)).to(device).contiguous()
        kinds = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
        for precision, dtype in kinds.items():
            if precision == "fp16" and device.type == "cpu":
                continue
            row = {"side": "release", "from": "crops", "batch": batch, "precision": precision}
            row["graph"] = False
            row |= measure(release_pass(model, images, dtype), args.repeats, args.seconds)
            rows.append(row)
            show(row, args.peak_tflops)
    return rows


def show(row: dict, peak_tflops: float) -> None:
    """Complete a row with its rates and print it."""
    a_second = row["batch"] / row["median_ms"] * 1e3
    row["crops_a_second"] = a_second
    row["of_matrix_peak"] = a_second * GFLOP_A_CROP / 1e3 / peak_tflops
    text = f"{row['side']:8s} {row['from']:6s} batch {row['batch']:3d} {row['precision']} "
    text += f"{'graph' if row['graph'] else 'eager'}: {row['median_ms']:9.3f} ms "
    text += f"(p90 {row['p90_ms']:.3f}), {a_second:9.1f} crops/s, "
    text += f"{100 * row['of_matrix_peak']:.2f} % of peak"
    if "median_px" in row:
        text += f", off {row['median_px']:.4f} px (p99 {row['p99_px']:.4f}), "
        text += f"{row['of_largest']:.1e} of largest"
    print(text, flush=True)


def ratios(rows: list[dict], device: torch.device) -> dict[str, float]:
    """The release's best time over our default's, by batch size; at batch 1 its float32's."""
    found = {}
    default = "fp32" if device.type == "cpu" else "fp16"
    for batch in sorted({row["batch"] for row in rows}):
        here = [row for row in rows if row["batch"] == batch]
        ours = [r for r in here if r["from"] == "frames" and r["precision"] == default]
        theirs = [r for r in here if r["side"] == "release"]
        if batch == 1:
            theirs = [r for r in theirs if r["precision"] == "fp32"]
        if ours and theirs:
            best = [min(r["median_ms"] for r in side) for side in (theirs, ours)]
            found[f"batch {batch}"] = best[0] / best[1]
    return found


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("release", nargs="?", help="folder of the DIGIT release")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--precisions", nargs="+", default=["fp32", "fp16", "bf16"])
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=2.0, help="at most, for each row")
    parser.add_argument("--peak-tflops", type=float, default=989.0)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(arguments)
    if args.json is None and "OUT" in os.environ:
        args.json = Path(os.environ["OUT"]) / "network_gpu.json"
    return args


def main() -> int:
    """Measure, print, write; 1 if float32 is further from the plain network than allowed."""
    args = parse()
    device = torch.device(args.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print(
            "network_gpu: no CUDA device is here; --device cpu tries the program", file=sys.stderr
        )
        return 1
    if device.type == "cpu":
        args.precisions = [p for p in args.precisions if p != "fp16"]
    about = {**hardware(device), "warm_up": WARM_UP}
    print(about)
    rows = our_rows(device, args)
    if args.release:
        rows += release_rows(device, args)
    found = ratios(rows, device)
    for name, ratio in found.items():
        print(f"{name}: the release takes {ratio:.2f} times as long")
    if args.json:
        args.json.write_text(
            json.dumps({"hardware": about, "rows": rows, "ratios": found}, indent=1)
        )
    exact = [r for r in rows if r["precision"] == "fp32" and r["from"] == "crops"]
    far = [r for r in exact if r.get("of_largest", 0) > FP32_TOLERANCE]
    for row in far:
        print(f"network_gpu: batch {row['batch']} in fp32 is off by {row['of_largest']:.1e}")
    return 1 if far else 0


if __name__ == "__main__":
    sys.exit(main())
