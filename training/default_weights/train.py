# SPDX-License-Identifier: Apache-2.0
"""Train one network of the default weights; stops and resumes anywhere.

`python -m training.default_weights.train --part pose --state FOLDER --samples 5000000` goes on from
FOLDER if it is there. With `--photos FOLDER...` half of each batch are labelled real photos, the
other half our own renders. `--start-from FILE` begins a course from finished weights. Renders,
camera faults and training all run on one device, and each batch follows from the seed and its
number, so that a resumed run sees what an unbroken one would.
"""

import argparse
import copy
import math
import shutil
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from digit_core.network.checkpoint import CheckpointError
from digit_core.network.detector import HandDetector
from digit_core.network.lite import DigitLite
from digit_core.weights import DETECTOR, POSE, read_bundle
from training import options as flags
from training.default_weights.average import Average
from training.default_weights.losses import detector_losses, pose_losses
from training.default_weights.muon import Muon
from training.default_weights.photo_batches import PhotoBatches
from training.default_weights.photos import read_photos
from training.default_weights.stream import COARSE_SIZES, SIZES, STAGES, Stage, Stream

EMA_DECAY = 0.999
#: Learning rate of batches of 64; it grows with the batch's fourth root.
RATE, _RATE_BATCH = 2e-3, 64
_WARM_UP, _FLAT = 20_000, 0.5
_SAVE_EVERY_S = 180
_SETTLED_S = 15


class Run:
    """Network, its average, optimisers and counter; saved to a folder of small files."""

    def __init__(
        self,
        part: str,
        folder: Path,
        device: str,
        start_from: Path | None = None,
        rate: float = RATE,
    ) -> None:
        """Go on from a folder; without one begin, from the weights of a file where it is given.

        Args:
            part: "pose" or "detector".
            folder: its state.
            device: trains there.
            start_from: finished weights, for a folder that is not there yet.
            rate: highest learning rate, of batches of 64.
        """
        torch.manual_seed(0)
        self._peak = rate
        self.part, self.folder, self.device = part, folder, torch.device(device)
        net: nn.Module = DigitLite() if part == "pose" else HandDetector()
        if isinstance(net, DigitLite):
            net.upsample_parts, net.input_scale = False, 1.0
        if start_from is not None:
            load_start(net, start_from, POSE if part == "pose" else DETECTOR)
        # mypy's stubs of `to` do not know memory_format.
        self.net = net.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = Average(self.net, EMA_DECAY)
        self._rate = torch.tensor(rate, device=self.device)
        self.optimizers = _optimizers(self.net, self._rate)
        self.samples = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: dict[str, Tensor] = {}
        self._terms: dict[str, Tensor] = {}
        self._warm_steps = 0
        self._half: bool | None = None
        if not folder.exists() and self._beside(".old").exists():
            self._beside(".old").rename(folder)  # a run that was killed while it saved
        if folder.exists():
            self._restore()

    def _beside(self, end: str) -> Path:
        return self.folder.with_name(self.folder.name + end)

    def save(self) -> None:
        """Write the whole state; the last one is there until this one is complete."""
        new, old = self._beside(".new"), self._beside(".old")
        for leftover in (new, old):
            shutil.rmtree(leftover, ignore_errors=True)
        new.mkdir(parents=True)
        for name, part in self._parts().items():
            torch.save(part, new / f"{name}.pt")
        if self.folder.exists():
            self.folder.rename(old)
        new.rename(self.folder)
        shutil.rmtree(old, ignore_errors=True)

    def _parts(self) -> dict[str, dict]:
        muon, adam = self.optimizers
        return {
            "net": {"weights": self.net.state_dict(), "adam": adam.state_dict()},
            "average": {**self.average.state_dict(), "samples": self.samples},
            "muon": muon.state_dict(),
        }

    def _restore(self) -> None:
        net, average, muon = (
            torch.load(self.folder / f"{name}.pt", map_location=self.device, weights_only=True)
            for name in ("net", "average", "muon")
        )
        self.net.load_state_dict(net["weights"])
        self.average.load_state_dict(average)
        self.samples = average["samples"]
        for optimizer, state in zip(self.optimizers, (muon, net["adam"]), strict=True):
            optimizer.load_state_dict(state)
            for group in optimizer.param_groups:
                group["lr"] = self._rate
                if "capturable" in group:  # the state may come from another kind of device
                    group["capturable"] = self._rate.is_cuda

    def step(self, batch: dict[str, Tensor], total: int) -> dict[str, Tensor]:
        """One optimiser step; returns the loss terms, which the next step overwrites."""
        n = len(batch["image"])
        self._rate.fill_(self._peak / RATE * learning_rate(self.samples, total, n))
        terms = self._replayed(batch) if self.device.type == "cuda" else self._update(batch)
        self.average.update()
        self.samples += n
        return terms

    def _update(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        images = batch["image"].contiguous(memory_format=torch.channels_last)
        if self._half is None:
            self._half = self.device.type == "cuda" or half_is_faster(self.net, images)
        with torch.autocast(
            self.device.type, torch.bfloat16, enabled=self._half, cache_enabled=False
        ):
            output = self.net(images)
        terms = (pose_losses if self.part == "pose" else detector_losses)(output, batch)
        loss = torch.stack(list(terms.values())).sum()
        self.net.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        for optimizer in self.optimizers:
            optimizer.step()
        return {k: v.detach() for k, v in terms.items()}

    def _replayed(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The same as one CUDA graph: launching 2,000 small kernels takes longer than they do."""
        if self._graph is None or self._inputs["image"].shape != batch["image"].shape:
            self._inputs = {k: v.clone() for k, v in batch.items()}
            if self._warm_steps < 3:
                self._warm_steps += 1
                return self._update_aside()
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._terms = self._update(self._inputs)
        for k, v in batch.items():
            self._inputs[k].copy_(v)
        self._graph.replay()
        return self._terms

    def _update_aside(self) -> dict[str, Tensor]:
        """A step on another stream, as what comes before a capture must be."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            terms = self._update(self._inputs)
        torch.cuda.current_stream().wait_stream(stream)
        return terms


def load_start(net: nn.Module, path: Path, prefix: str) -> None:
    """Fill a network from a weights file; layers that the file lacks keep their initial weights.

    Raises:
        CheckpointError: the file cannot be read, or its tensors are of another network.
    """
    _, state = read_bundle(path)
    own = {k[len(prefix) :]: v for k, v in (state or {}).items() if k.startswith(prefix)}
    try:
        odd = net.load_state_dict(own, strict=False)
    except RuntimeError as error:
        raise CheckpointError(f"{path}: does not fit: {str(error).splitlines()[1]}") from error
    if odd.unexpected_keys or not own:
        what = odd.unexpected_keys[0] if own else f"nothing under {prefix!r}"
        raise CheckpointError(f"{path}: does not fit {type(net).__name__}: it holds {what}")
    if odd.missing_keys:
        print(f"{path}: new layers: {len(odd.missing_keys)} tensors, {odd.missing_keys[0]} ...")


def half_is_faster(net: nn.Module, images: Tensor) -> bool:
    """Whether bfloat16 trains faster than float32 here: it does where the processor has it."""

    def seconds(enabled: bool) -> float:
        probe = copy.deepcopy(net)
        times = []
        for _ in range(3):
            start = time.perf_counter()
            with torch.autocast(images.device.type, torch.bfloat16, enabled=enabled):
                output = probe(images[:4])
            sum(o.float().mean() for o in output).backward()
            times.append(time.perf_counter() - start)
        return min(times[1:])

    return seconds(True) < seconds(False)


def _optimizers(net: torch.nn.Module, rate: Tensor) -> list[torch.optim.Optimizer]:
    """Muon for the convolutions of trunk and head, AdamW for first and last layers and norms."""
    hidden = [
        p
        for name, p in net.named_parameters()
        if p.ndim == 4 and name.startswith(("trunk.", "head.")) and p.shape[1] > 3
    ]
    taken = {id(p) for p in hidden}
    others = [p for p in net.parameters() if id(p) not in taken]
    adam = torch.optim.AdamW(others, lr=rate, weight_decay=0.02, capturable=rate.is_cuda)
    return [Muon(hidden, lr=rate), adam]


def learning_rate(samples: int, total: int, batch: int) -> float:
    """Warm-up, then flat, then a cosine to 1 % over the second half."""
    warm = min(1.0, (samples + batch) / min(_WARM_UP, 0.05 * total))
    tail = min(max(0.0, (samples / total - _FLAT) / (1 - _FLAT)), 1.0)
    peak = RATE * (batch / _RATE_BATCH) ** 0.25
    return peak * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * tail)))


def train(
    run: Run,
    stream: Stream,
    samples: int | None,
    batch: int,
    steps_a_render: int,
    minutes: float,
    until: int | None = None,
    coarse: float = 0.0,
) -> None:
    """Go on until so many samples were shown or `minutes` are over; saves at the end and between.

    With `samples` None the course of the learning rate follows the clock and ends with the minutes,
    however busy the machine is. `until` stops earlier, in the middle of that course. The first
    `coarse` share of the course is shown in `stream.COARSE_SIZES`.
    """
    start = last_save = time.monotonic()
    sums: dict[str, Tensor | float] = {}
    first, steps = run.samples, 0
    total = samples or 10**12
    until = until or total
    while run.samples < min(until, total) and (passed := time.monotonic() - start) < 60 * minutes:
        if samples is None and passed > _SETTLED_S:
            total = first + round((run.samples - first) / passed * 60 * minutes)
        progress = run.samples / total if samples else (time.monotonic() - start) / 60 / minutes
        stream.size = (COARSE_SIZES if progress < coarse else SIZES)[run.part]
        rendered = stream.batch(run.samples, batch * steps_a_render)
        for part in range(steps_a_render):
            some = slice(part * batch, (part + 1) * batch)
            for k, v in run.step({k: v[some] for k, v in rendered.items()}, total).items():
                sums[k] = sums.get(k, 0.0) + v
            steps += 1
        if steps >= 100:
            rate = (run.samples - first) / (time.monotonic() - start)
            terms = " ".join(f"{k} {float(v) / steps:.4f}" for k, v in sums.items())
            print(f"{run.samples} {terms} | {rate:.0f}/s", flush=True)
            sums, steps = {}, 0
        if time.monotonic() - last_save > _SAVE_EVERY_S:
            run.save()
            last_save = time.monotonic()
    run.save()


def add_stream_options(
    parser: argparse.ArgumentParser, batch: int = 64, steps_a_render: int = 1
) -> None:
    """What batches are made of, and where; with other defaults where wanted."""
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument(
        "--steps-a-render", type=int, default=steps_a_render, help="batches rendered at once"
    )
    parser.add_argument("--pool", type=int, default=1024, help="pairs of hands made at a time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")


def add_course_options(parser: argparse.ArgumentParser) -> None:
    """What a course begins from and shows besides fresh renders of full size."""
    parser.add_argument(
        "--photos", type=Path, nargs="+", default=[], metavar="FOLDER", help="labelled real photos"
    )
    parser.add_argument(
        "--exclude", nargs="+", default=[], metavar="OWNER/NAME", help="photos not to use"
    )
    parser.add_argument("--chunk", type=int, default=0, help="renders kept to be shown again")
    parser.add_argument("--uses", type=int, default=1, help="how often a chunk is shown")
    parser.add_argument(
        "--coarse", type=float, default=0.0, help="share of the course with smaller pictures"
    )
    parser.add_argument("--rate", type=float, default=RATE, help="highest learning rate")
    parser.add_argument("--start-from", type=Path, metavar="FILE", help="finished weights")


def make_stream(part: str, o: argparse.Namespace) -> Stream:
    """The stream that options ask for.

    Raises:
        ValueError: the photos' labels cannot be read; the sentence says why.
    """
    photos = PhotoBatches(read_photos(o.photos, exclude=o.exclude)) if o.photos else None
    # Finished weights know right from left already.
    stages = (Stage(10**15),) if o.start_from else None
    return Stream(
        part, o.device, o.seed, o.pool, stages=stages, photos=photos, chunk=o.chunk, uses=o.uses
    )


def main(arguments: list[str] | None = None) -> int:
    """Command line; 2 with one sentence where the state cannot be read or written."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--part", choices=list(STAGES), required=True)
    parser.add_argument(
        "--state", type=Path, required=True, help="folder to resume from and save to"
    )
    parser.add_argument("--samples", type=int, help="to show in all; without it, --minutes decide")
    add_stream_options(parser)
    add_course_options(parser)
    parser.add_argument("--minutes", type=float, help="stop after so long")
    args = parser.parse_args(arguments)
    if args.samples is None and args.minutes is None:
        parser.error("give --samples or --minutes")
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")

    def run() -> None:
        args.state.parent.mkdir(parents=True, exist_ok=True)  # now, not after the first minutes
        state = Run(args.part, args.state, args.device, args.start_from, args.rate)
        stream = make_stream(args.part, args)
        minutes = math.inf if args.minutes is None else args.minutes
        o = args
        train(state, stream, o.samples, o.batch, o.steps_a_render, minutes, coarse=o.coarse)

    return flags.run_command(run)


if __name__ == "__main__":
    sys.exit(main())
