# SPDX-License-Identifier: Apache-2.0
"""Does training learn? Over-fits 16 renders, and holds a short run against the best constant.

    python -m benchmarks.it_learns FOLDER [--model digit-lite] [--part overfit] [--minutes 3]

FOLDER is of `python -m training.synth`. "overfit" shows the first 16 items of train again and again
and gives the mean 2D error in pixels of the 256 patch. "heldout" trains on train with the release's
variations and gives MPJPE on val with granted wrist depths, beside that of the best constant:
each joint's median 2.5D place over train.
"""

import argparse
import time
from pathlib import Path

import torch

from digit_core.network import build_model
from digit_core.network.output import DigitOutput
from training.evaluation import Collector
from training.interhand.batches import TrainingBatches
from training.interhand.dataset import Batch, InterHand, network_input
from training.interhand.variations import Variations
from training.losses import loss_terms

OVERFIT_ITEMS = 16


def train(model, data: InterHand, count: int, minutes: float, rate: float, batch: int = 16):
    """Adam for so long; falls to a tenth of the rate over the last third."""
    adam = torch.optim.Adam(model.parameters(), lr=rate)
    batches, steps = TrainingBatches(count, batch), 0
    start, end = time.monotonic(), time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        batches.set_epoch(steps)
        for places in batches:
            done = (time.monotonic() - start) / (end - start)
            adam.param_groups[0]["lr"] = rate * (1.0 if done < 0.67 else 0.1)
            item = data.__getitems__(places)
            loss = loss_terms(model(network_input(item)), item.targets).total()
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 50.0)
            adam.step()
            steps += 1
            if time.monotonic() > end:
                break
    print(f"{steps} steps of {batches.batch} in {minutes:g} min, last loss {loss.item():.2f}")


@torch.no_grad()
def error_px(model, batch: Batch) -> float:
    """Mean 2D error of valid joints, px of the patch."""
    error = 4 * (model(network_input(batch)).joints_25d - batch.targets.joints_25d)[..., :2].norm(
        dim=2
    )
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


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="digit-lite", choices=("digit", "digit-lite"))
    parser.add_argument("--part", default="overfit", choices=("overfit", "heldout"))
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--lr", type=float, default=1e-3)
    o = parser.parse_args()
    torch.manual_seed(1)
    model = build_model(o.model).train()
    if o.part == "overfit":
        data = InterHand(o.folder, "train")
        train(model, data, OVERFIT_ITEMS, o.minutes, o.lr)
        batch = data.__getitems__([(i, 0) for i in range(OVERFIT_ITEMS)])
        print(
            f"{o.model}, {OVERFIT_ITEMS} images: {error_px(model, batch):.2f} px of 256 as trained"
        )
        model.eval()
        # digit-lite answers from a window about the likeliest place unless it trains.
        print(f"as it answers: {error_px(model, batch):.2f} px")
        model.training = True
        print(f"as it answers, but by whole maps: {error_px(model, batch):.2f} px")
        return
    data = InterHand(o.folder, "train", variations=Variations())
    train(model, data, len(data), o.minutes, o.lr)
    held_out = InterHand(o.folder, "val")
    ours = mpjpe(lambda batch: model.eval()(network_input(batch)), held_out)
    place = best_constant(InterHand(o.folder, "train"))

    def constant(batch: Batch) -> DigitOutput:
        n = len(batch.rows)
        zeros = torch.zeros(n, 33, 128, 128)
        root = torch.full((n, 1), 32.0)
        return DigitOutput(
            torch.zeros(n, 1), place.expand(n, -1, -1), root, torch.zeros(n, 2), zeros
        )

    fixed = mpjpe(constant, held_out)
    for name in ("mpjpe_sh", "mpjpe_ih", "mpjpe_all"):
        print(
            f"{name}: {ours[name]:.2f} mm, best constant {fixed[name]:.2f} mm, "
            f"{100 * ours[name] / fixed[name]:.0f} %"
        )


if __name__ == "__main__":
    main()
