# SPDX-License-Identifier: Apache-2.0
"""Images a second through one optimiser step of `digit`: ours beside the release's loop.

    python -m benchmarks.training_step [RELEASE] [--batch 64] [--compile] [--json OUT]
    python -m benchmarks.training_step RELEASE --device cpu --batch 4 --rounds 5

RELEASE is a folder with the release's `src/model`, `src/nets`, `src/utils` and `elytra`; without it
only our side is run. A step of each side goes from a batch on the host (as its own loader gives it)
over the forward pass and its own losses to Adam's update. The release runs as its Lightning 0.9
ran it: float32, and on CUDA also fp16 autocast with a scaled loss, its default. Ours runs in
float32 and bf16 autocast, channels last or not, and with --compile through torch.compile as well.
Sides take turns; the first round warms up (and compiles) and does not count.
"""

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.hardware import hardware
from benchmarks.network_gpu import open_release as open_release_network
from benchmarks.parity_losses import make_batch, release_items
from digit_core.network import build_model
from training.interhand.dataset import Batch
from training.interhand.items import Targets
from training.module import HandModule

RATE, SEED = 1e-4, 1
#: precision, channels last, compiled
VARIANTS = (
    ("fp32", False, False),
    ("fp32", True, False),
    ("bf16", False, False),
    ("bf16", True, False),
    ("bf16", True, True),
)
Step = Callable[[], None]


def targets_of(count: int) -> Targets:
    """Made-up targets of single and interacting hands."""
    return make_batch("mixed", count, torch.float32, SEED)[-1]


def pictures_of(count: int) -> torch.Tensor:
    """(count, 3, 256, 256) uint8 noise."""
    draw = torch.Generator().manual_seed(SEED)
    return torch.randint(0, 256, (count, 3, 256, 256), generator=draw, dtype=torch.uint8)


def our_step(device: torch.device, count: int, precision: str, last: bool, compiled: bool) -> Step:
    """One update of ours."""
    torch.manual_seed(SEED)
    network: nn.Module = build_model("digit")
    if last:
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    module = HandModule(network, "digit").to(device).train()
    if compiled:
        module.model.compile()
    adam = module.configure_optimizers()[0][0]
    rows = torch.arange(count)
    maps = torch.eye(3)[:2].expand(count, 2, 3)
    host = Batch(pictures_of(count), torch.ones(count, 3), targets_of(count), maps, rows)
    half = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")

    def step() -> None:
        batch = module.transfer_batch_to_device(host, device, 0)
        with half:
            loss = torch.stack(list(module.losses(batch).values())).sum()
        adam.zero_grad()
        loss.backward()
        adam.step()
        float(loss.detach())

    return step


def release_step(path: str, device: torch.device, count: int, precision: str) -> Step:
    """One update of the release's, as its Lightning module and trainer make it."""
    torch.manual_seed(SEED)
    model = open_release_network(path, device).requires_grad_(True).train()
    adam = torch.optim.Adam(model.parameters(), lr=RATE)
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
    images = {"img": pictures_of(count).float() / 255}
    targets, about = release_items(targets_of(count))
    half = torch.autocast(device.type, torch.float16, enabled=precision == "fp16")

    def step() -> None:
        sent = [{k: _to(v, device) for k, v in part.items()} for part in (images, targets, about)]
        with half:
            losses = model(*sent, "train")
            loss = sum(value.mean().view(-1) for value in losses.values())
        adam.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(adam)
        scaler.update()
        float(loss.detach())

    return step


def _to(value: object, device: torch.device) -> object:
    return value.to(device) if isinstance(value, torch.Tensor) else value


def sides(o: argparse.Namespace, device: torch.device) -> dict[str, Step]:
    """Every side by its name."""
    found: dict[str, Step] = {}
    if o.release:
        for precision in ("fp32", "fp16") if device.type == "cuda" else ("fp32",):
            with contextlib.redirect_stdout(sys.stderr):
                step = release_step(o.release, device, o.batch, precision)
            found[f"release {precision}"] = step
    for precision, last, compiled in VARIANTS:
        if compiled and not o.compile:
            continue
        name = f"ours {precision}{' channels-last' if last else ''}{' compiled' * compiled}"
        found[name] = our_step(device, o.batch, precision, last, compiled)
    return found


def measured(steps: dict[str, Step], rounds: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of each side's steps but the first."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if device.type == "cuda":
                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - start)
            print(f"  {name}: {seconds[name][-1]:.2f} s", file=sys.stderr, flush=True)
    return {name: values[1:] for name, values in seconds.items()}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("release", nargs="?", help="folder of the DIGIT release")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--json", type=Path)
    o = parser.parse_args()
    device = torch.device(o.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("training_step: no CUDA device is here; --device cpu --batch 4 tries it")
    torch.backends.cudnn.benchmark = True
    about = {**hardware(device), "warm_up_rounds": 1}
    print(about, f"batch {o.batch}", flush=True)
    seconds = measured(sides(o, device), o.rounds, device)
    rows = [
        {
            "side": name,
            "median_s": float(np.median(values)),
            "least_s": min(values),
            "images_a_second": o.batch / float(np.median(values)),
        }
        for name, values in seconds.items()
    ]
    theirs = [row for row in rows if row["side"].startswith("release")]
    for row in rows:
        for key in ("median", "least") if theirs else ():
            row[f"{key}_ratio"] = min(r[f"{key}_s"] for r in theirs) / row[f"{key}_s"]
        text = f"{row['side']:32s} {row['images_a_second']:8.1f} images/s, "
        text += f"{row['median_s'] * 1e3:.0f} ms (least {row['least_s'] * 1e3:.0f})"
        if theirs:
            text += f", {row['median_ratio']:.2f} times the release's ({row['least_ratio']:.2f})"
        print(text, flush=True)
    if o.json is None and "OUT" in os.environ:
        o.json = Path(os.environ["OUT"]) / "training_step.json"
    if o.json:
        o.json.write_text(json.dumps({"hardware": about, "batch": o.batch, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
