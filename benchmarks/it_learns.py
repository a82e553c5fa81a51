# SPDX-License-Identifier: Apache-2.0
"""Does training learn? Over-fits 16 renders, and holds a short run against the best constant.

    python -m benchmarks.it_learns FOLDER [--model digit-lite] [--part overfit] [--minutes 3]
        [--state FILE]

With `--state` the run is kept in a file every other minute, and the same command goes on from it:
`--minutes` are then those of all runs together.

FOLDER is of `python -m training.synth`; losses are those of `training.train`. "overfit" shows the
first 16 items of train again and again until the mean 2D error, as the network answers outside
training, is under 3 px of the 256 patch, and prints it on the way. "heldout" trains on train (with
`--vary` under the release's variations, which take longer to learn) and gives MPJPE on val with
granted wrist depths, beside that of the best constant: each joint's median 2.5D place over train.
"""

import argparse
import time
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import nn

from digit_core.network import build_model
from digit_core.network.output import DigitOutput
from training.evaluation import Collector
from training.interhand.batches import TrainingBatches
from training.interhand.dataset import Batch, InterHand, network_input
from training.interhand.variations import Variations
from training.module import HandModule, without_parts

OVERFIT_ITEMS = 16
OVERFIT_PX = 3.0
TOLD_EVERY_S = 120.0


class Progress:
    """How far a run has come, kept in a file where one is given."""

    def __init__(self, module: HandModule, adam: torch.optim.Adam, path: Path | None) -> None:
        self._module, self._adam, self._path = module, adam, path
        self.steps, self._before_s, self._start = 0, 0.0, time.monotonic()
        if path and path.is_file():
            kept = torch.load(path, weights_only=True)
            module.load_state_dict(kept["module"])
            adam.load_state_dict(kept["adam"])
            self.steps, self._before_s = kept["steps"], kept["seconds"]

    @property
    def seconds(self) -> float:
        """Of all runs together."""
        return self._before_s + time.monotonic() - self._start

    def keep(self) -> None:
        """Write it down, whole or not at all."""
        if self._path:
            unfinished = self._path.with_name(self._path.name + ".part")
            kept = {"module": self._module.state_dict(), "adam": self._adam.state_dict()}
            torch.save({**kept, "steps": self.steps, "seconds": self.seconds}, unfinished)
            unfinished.replace(self._path)


def train(module: HandModule, data: InterHand, count: int, o: argparse.Namespace, done=None):
    """Adam for `o.minutes`, or until `done()` says so, which is asked every other minute.

    The rate falls to a tenth over the last third.
    """
    adam = torch.optim.Adam(module.model.parameters(), lr=o.lr)
    progress = Progress(module, adam, o.state)
    batches, end, told = TrainingBatches(count, o.batch), 60 * o.minutes, progress.seconds
    loss = ""
    while progress.seconds < end:
        batches.set_epoch(progress.steps)
        for places in batches:
            adam.param_groups[0]["lr"] = o.lr * (1.0 if progress.seconds < 0.67 * end else 0.1)
            loss = step(module, adam, data.__getitems__(places), o.bf16)
            progress.steps += 1
            if progress.seconds - told > TOLD_EVERY_S:
                told = progress.seconds
                progress.keep()
                print(f"{told / 60:.1f} min, {progress.steps} steps, loss {loss}", flush=True)
                if done is not None and done():
                    return
            if progress.seconds > end:
                break
    progress.keep()
    print(f"{progress.steps} steps of {batches.batch} in {o.minutes:g} min, last loss {loss}")


def step(module: HandModule, adam: torch.optim.Adam, batch: Batch, bf16: bool) -> str:
    """One update; gives the loss and its terms in words."""
    with torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext():
        terms = module.losses(batch)
    loss = torch.stack(list(terms.values())).sum()
    adam.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(module.model.parameters(), 50.0)
    adam.step()
    return f"{loss:.2f} ({', '.join(f'{name} {value:.2f}' for name, value in terms.items())})"


@torch.no_grad()
def settle_norms(model: nn.Module, batch: Batch) -> None:
    """Averages of the batch norms as they are over a batch with the weights as they are now.

    Running averages are of the weights of the last hundred steps, which differ while a network
    learns fast (Wu and Johnson, arXiv 2105.07576).
    """
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean
    model.train()
    for images in network_input(batch).split(8):
        model(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


@torch.no_grad()
def error_px(model, batch: Batch, training: bool) -> float:
    """Mean 2D error of valid joints, px of the patch; as it answers in training, or outside."""
    model.eval()
    model.training = training  # the batch norms keep to their averages
    found = torch.cat([model(images).joints_25d for images in network_input(batch).split(4)])
    model.train()
    error = 4 * (found - batch.targets.joints_25d)[..., :2].norm(dim=2)
    return float(error[batch.targets.joint_valid > 0].mean())


def best_constant(data: InterHand) -> torch.Tensor:
    """(42, 3) median 2.5D place of each joint over its valid items."""
    places = [data.__getitems__([(i, 0)]).targets for i in range(len(data))]
    joints = torch.cat([t.joints_25d for t in places])
    valid = torch.cat([t.joint_valid for t in places]) > 0
    return torch.stack([joints[valid[:, j], j].median(dim=0).values for j in range(42)])


@torch.no_grad()
def mpjpe(answer, data: InterHand) -> dict[str, float]:
    """Figures on a data set of what answers batches."""
    collector = Collector()
    for start in range(0, len(data), 16):
        batch = data.__getitems__([(i, 0) for i in range(start, min(start + 16, len(data)))])
        collector.add(batch, answer(batch))
    return collector.finish(data).metrics.as_dict()


def overfit(module: HandModule, o: argparse.Namespace) -> None:
    """Print how near the answers for 16 items come."""
    data = InterHand(o.folder, "train")
    batch = data.__getitems__([(i, 0) for i in range(OVERFIT_ITEMS)])

    def near_enough() -> bool:
        settle_norms(module.model, batch)
        found = error_px(module.model, batch, training=False)
        print(f"  as it answers: {found:.2f} px", flush=True)
        return found < OVERFIT_PX

    train(module, data, OVERFIT_ITEMS, o, near_enough)
    settle_norms(module.model, batch)
    print(
        f"{o.model}, {OVERFIT_ITEMS} images, mean 2D error: "
        f"{error_px(module.model, batch, training=False):.2f} px of 256 as it answers, "
        f"{error_px(module.model, batch, training=True):.2f} px by the means of its heatmaps"
    )


def held_out(module: HandModule, o: argparse.Namespace) -> None:
    """Print MPJPE on val beside the best constant's."""
    data = InterHand(o.folder, "train", variations=Variations() if o.vary else None)
    train(module, data, len(data), o)
    kept = InterHand(o.folder, "val")
    ours = mpjpe(lambda batch: module.model.eval()(network_input(batch)), kept)
    place = best_constant(InterHand(o.folder, "train"))

    def constant(batch: Batch) -> DigitOutput:
        n = len(batch.rows)
        zeros = torch.zeros(n, 33, 128, 128)
        root = torch.full((n, 1), 32.0)
        return DigitOutput(
            torch.zeros(n, 1), place.expand(n, -1, -1), root, torch.zeros(n, 2), zeros
        )

    fixed = mpjpe(constant, kept)
    for name in ("mpjpe_sh", "mpjpe_ih", "mpjpe_all"):
        print(
            f"{name}: {ours[name]:.2f} mm, best constant {fixed[name]:.2f} mm, "
            f"{100 * ours[name] / fixed[name]:.0f} %"
        )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="digit-lite", choices=("digit", "digit-lite"))
    parser.add_argument("--part", default="overfit", choices=("overfit", "heldout"))
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--bf16", action="store_true", help="train at 16 bits")
    parser.add_argument("--state", type=Path, metavar="FILE", help="go on from it, and keep it")
    parser.add_argument("--vary", action="store_true", help="with the release's variations")
    parser.add_argument("--heatmap_loss", type=float, help="as of training.train")
    parser.add_argument("--segmentation", default="parts", choices=("parts", "none"))
    o = parser.parse_args()
    torch.manual_seed(1)
    model, parts = build_model(o.model), o.segmentation == "parts"
    if not parts:
        without_parts(model, o.model)
    module = HandModule(model, o.model, parts=parts, heatmap_weight=o.heatmap_loss)
    (overfit if o.part == "overfit" else held_out)(module, o)


if __name__ == "__main__":
    main()
