# SPDX-License-Identifier: Apache-2.0
"""Train one part of the default weights on rendered pictures; stops and resumes anywhere.

`python -m training.default_weights.train --part pose --data DIR --state FILE` goes on from FILE if
it is there. Randomness is keyed on seed and sample number, so that a resumed run sees what an
unbroken one would.
"""

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from digit_core.network.detector import HandDetector
from digit_core.network.lite import DigitLite
from training.default_weights.bundle import weights_to_start_from
from training.default_weights.crops import CropOptions, draw_crop
from training.default_weights.frames import draw_frame
from training.default_weights.losses import detector_losses, pose_losses
from training.default_weights.muon import Muon
from training.default_weights.samples import Samples
from training.synth.background import random_background


@dataclass(frozen=True)
class Stage:
    """One stage of a curriculum: it lasts until `until` samples were shown in all."""

    until: int
    size: int
    only_right: bool = False
    gentle: bool = False


#: Left and right are learnt within minutes after one hand, and not at all when both come first.
STAGES = {
    "pose": (
        Stage(80_000, 128, only_right=True, gentle=True),
        Stage(260_000, 128, gentle=True),
        Stage(10**12, 192),
    ),
    "detector": (Stage(10**12, 192),),
}
#: Kinds of pictures and their shares; hands that fill the picture are close-ups.
KINDS = {"pose": {"close-up": 1.0}, "detector": {"frame": 0.6, "close-up": 0.4}}
BATCH, PEAK_RATE, EMA_DECAY = 64, 2e-3, 0.998
_BACKGROUND_POOL = 300


class Presentations(Dataset):
    """Sample number to training sample; picture and changes all come from the number."""

    def __init__(
        self, part: str, data: Path, stage: Stage, seed: int, first: int, count: int
    ) -> None:
        self._part, self._stage, self._seed, self._first, self._count = (
            part,
            stage,
            seed,
            first,
            count,
        )
        self._samples = [Samples(data, kind) for kind in KINDS[part]]
        self._shares = list(KINDS[part].values())
        self.pictures = sum(len(s) for s in self._samples)
        rng = np.random.default_rng(seed)
        side = 256 if part == "pose" else 320
        self._backgrounds = [random_background(rng, side, side) for _ in range(_BACKGROUND_POOL)]

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, i: int) -> dict:
        rng = np.random.default_rng([self._seed, self._first + i])
        rgb, labels, truth = self._pick(rng)
        background = None
        if rng.random() < 0.4:
            background = self._backgrounds[rng.integers(_BACKGROUND_POOL)][:: rng.choice([-1, 1])]
        if self._part == "pose":
            options = CropOptions(self._stage.size, self._stage.only_right, self._stage.gentle)
            return draw_crop(rgb, labels, truth, options, rng, background)
        return draw_frame(rgb, labels, truth, self._stage.size, rng, background)

    def _pick(self, rng):
        while True:
            samples = self._samples[rng.choice(len(self._samples), p=self._shares)]
            item = samples[int(rng.integers(len(samples)))]
            if not self._stage.only_right or np.isnan(item[2]["joints_px"][:, 0, 0]).sum() == 1:
                return item


class Run:
    """Network, average of its weights, optimiser and counters; saved and restored whole."""

    def __init__(self, part: str, state: Path, device: str) -> None:
        torch.manual_seed(0)
        self.part, self.path, self.device = part, state, torch.device(device)
        self.net = (DigitLite() if part == "pose" else HandDetector()).to(self.device)
        if part == "pose":
            self.net.upsample_parts, self.net.input_scale = False, 1.0
        self.net = self.net.to(memory_format=torch.channels_last)
        self.average = torch.optim.swa_utils.AveragedModel(
            self.net, avg_fn=self._average, use_buffers=True
        )
        self.optimizers = _optimizers(self.net)
        self.samples = 0
        if state.exists():
            saved = torch.load(state, map_location=self.device, weights_only=True)
            self.net.load_state_dict(saved["net"])
            self.average.load_state_dict(saved["average"])
            for optimizer, state_dict in zip(self.optimizers, saved["optimizers"], strict=True):
                optimizer.load_state_dict(state_dict)
            self.samples = saved["samples"]

    @staticmethod
    def _average(old, new, count):
        decay = min(EMA_DECAY, (1 + float(count)) / (10 + float(count)))
        return old * decay + new * (1 - decay) if old.is_floating_point() else new

    def start_from(self, path: Path) -> None:
        """Begin with other weights: a bundle's own network, or a pose state's trunk for a detector.

        Hands look the same to both networks, and the trunk knows them after the pose training.
        """
        bundle = path.suffix == ".safetensors"
        weights = weights_to_start_from(path, f"{self.part}.")
        if self.part == "detector" and not bundle:
            weights = {k: v for k, v in weights.items() if k.startswith("trunk.")}
        for net in (self.net, self.average.module):
            net.load_state_dict(weights, strict=self.part == "pose" or bundle)

    def save(self) -> None:
        """Write the whole state, in place of the last one only when it is complete."""
        temporary = self.path.with_suffix(".tmp")
        saved = {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "samples": self.samples,
        }
        torch.save(saved, temporary)
        temporary.replace(self.path)

    def step(self, batch: dict, total: int) -> dict[str, float]:
        """One optimiser step; returns the loss terms."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(self.samples, total)
        batch = {k: v.to(self.device, non_blocking=True) for k, v in batch.items()}
        images = batch["image"].permute(0, 3, 1, 2).float().div(255)
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16):
            output = self.net(images) if self.part == "pose" else self.net.hand_and_side(images)
        terms = (pose_losses if self.part == "pose" else detector_losses)(output, batch)
        loss = torch.stack(list(terms.values())).sum()
        self.net.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        for optimizer in self.optimizers:
            optimizer.step()
        self.average.update_parameters(self.net)
        self.samples += len(images)
        return {k: float(v.detach()) for k, v in terms.items()}


def _optimizers(net: torch.nn.Module) -> list[torch.optim.Optimizer]:
    """Muon for the convolutions of trunk and head, AdamW for first and last layers and norms."""
    hidden = [
        p
        for name, p in net.named_parameters()
        if p.ndim == 4 and name.startswith(("trunk.", "head.")) and p.shape[1] > 3
    ]
    taken = {id(p) for p in hidden}
    others = [p for p in net.parameters() if id(p) not in taken]
    return [Muon(hidden, lr=PEAK_RATE), torch.optim.AdamW(others, lr=PEAK_RATE, weight_decay=0.02)]


def learning_rate(samples: int, total: int) -> float:
    """Warm-up over 10,000 samples, then flat, then a cosine to 2 % over the last 45 %."""
    warm = min(1.0, (samples + BATCH) / 10_000)
    tail = max(0.0, (samples / total - 0.55) / 0.45)
    return PEAK_RATE * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(tail, 1.0))))


def train(
    run: Run,
    data: Path,
    total: int,
    seed: int,
    workers: int,
    minutes: float,
    stop: int | None = None,
) -> None:
    """Go on until `stop` samples (all of `total` by default) were shown or `minutes` are over.

    `total` is what the learning rate's course is laid out for.
    """
    end, stop = time.monotonic() + 60 * minutes, total if stop is None else stop
    while run.samples < stop and time.monotonic() < end:
        stage = next(s for s in STAGES[run.part] if run.samples < s.until)
        # Legs are short, so that pictures rendered meanwhile are taken in.
        count = min(stage.until, stop, run.samples + 40_000) - run.samples
        leg = Presentations(run.part, data, stage, seed, run.samples, count)
        loader = DataLoader(
            leg,
            BATCH,
            num_workers=workers,
            drop_last=False,
            prefetch_factor=4 if workers else None,
            worker_init_fn=lambda _: cv2.setNumThreads(1),
        )
        _leg(run, loader, total, end, f"size {stage.size}, {leg.pictures} pictures")
        run.save()


def _leg(run: Run, loader, total: int, end: float, what: str) -> None:
    sums: dict[str, float] = {}
    start, shown, steps, saved = time.monotonic(), 0, 0, time.monotonic()
    for batch in loader:
        for k, v in run.step(batch, total).items():
            sums[k] = sums.get(k, 0.0) + v
        steps, shown = steps + 1, shown + len(batch["image"])
        if steps % 50 == 0:
            terms = " ".join(f"{k} {v / 50:.4f}" for k, v in sums.items())
            print(
                f"{run.samples} {terms} | {shown / (time.monotonic() - start):.0f}/s, {what}",
                flush=True,
            )
            sums = {}
        if time.monotonic() - saved > 180:
            run.save()
            saved = time.monotonic()
        if time.monotonic() > end:
            return


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--part", choices=list(STAGES), required=True)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of training.synth.shards files"
    )
    parser.add_argument(
        "--state", type=Path, required=True, help="file to resume from and to save to"
    )
    parser.add_argument(
        "--start-from", type=Path, help="a bundle, or for the detector a pose state"
    )
    parser.add_argument("--samples", type=int, default=2_000_000, help="samples to show in all")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so long")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="processes that prepare samples")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    run = Run(args.part, args.state, args.device)
    if args.start_from and run.samples == 0:
        run.start_from(args.start_from)
    train(run, args.data, args.samples, args.seed, args.workers, args.minutes)


if __name__ == "__main__":
    main()
