# SPDX-License-Identifier: Apache-2.0
"""Images a second of data-parallel training by the number of processes, each with its own batch.

    python -m benchmarks.scale_processes [--processes 1 2] [--model digit-lite] [--json OUT]

Every process takes optimiser steps on a batch of its own (made up, in memory) with one thread on a
CPU over gloo, or with a GPU each (--device cuda) over NCCL; gradients are summed as in
`training.train`. The same steps without the summing tell what that costs; rounds of both alternate.
Numbers of processes take turns, too, and the fastest step of each counts: what else runs on the
machine only adds. There is nothing to learn from more processes than cores.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from benchmarks.hardware import hardware
from benchmarks.training_step import SEED, pictures_of, targets_of
from digit_core.network import MODELS, build_model
from training.interhand.dataset import Batch
from training.module import HandModule

WARM_UP = 2


class Loss(nn.Module):
    """The training loss as a forward pass, which is what DistributedDataParallel watches."""

    def __init__(self, module: HandModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, batch: Batch) -> Tensor:
        """Sum of the terms."""
        return torch.stack(list(self.module.losses(batch).values())).sum()


def process(rank: int, world: int, o: argparse.Namespace, meeting: str) -> None:
    """One process; the first writes its times to `meeting`.json."""
    torch.set_num_threads(1)
    gpu = o.device == "cuda"
    device = torch.device("cuda", rank) if gpu else torch.device("cpu")
    backend = "nccl" if gpu else "gloo"
    dist.init_process_group(backend, f"file://{meeting}", rank=rank, world_size=world)
    torch.manual_seed(SEED)
    module = HandModule(build_model(o.model), o.model).to(device).train()
    loss = DistributedDataParallel(Loss(module), broadcast_buffers=False)
    adam = module.configure_optimizers()[0][0]
    maps, rows = torch.eye(3)[:2].expand(o.batch, 2, 3), torch.arange(o.batch)
    host = Batch(pictures_of(o.batch), torch.ones(o.batch, 3), targets_of(o.batch), maps, rows)
    batch = module.transfer_batch_to_device(host, device, 0)
    half = torch.autocast(device.type, torch.bfloat16, enabled=o.bf16)

    def step() -> None:
        with half:
            value = loss(batch)
        adam.zero_grad()
        value.backward()
        adam.step()
        float(value.detach())

    together, apart = [], []
    for _ in range(WARM_UP + o.rounds):
        dist.barrier()
        together.append(seconds_of(step))
        with loss.no_sync():
            dist.barrier()
            apart.append(seconds_of(step))
    if rank == 0:
        figures = {"step_s": min(together[WARM_UP:]), "apart_s": min(apart[WARM_UP:])}
        figures["gradient_mb"] = 4e-6 * sum(p.numel() for p in module.model.parameters())
        Path(meeting + ".json").write_text(json.dumps(figures))
    dist.destroy_process_group()


def seconds_of(step) -> float:
    """Of one step; it ends when its loss is on the host."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def turn(world: int, o: argparse.Namespace) -> dict:
    """Figures of one start of so many processes."""
    with tempfile.TemporaryDirectory() as folder:
        meeting = str(Path(folder) / "meeting")
        mp.spawn(process, (world, o, meeting), nprocs=world)
        found: dict = json.loads(Path(meeting + ".json").read_text())
    return found


def row_of(world: int, turns: list[dict], batch: int) -> dict:
    """The best of all turns of a number of processes."""
    row = {key: min(found[key] for found in turns) for key in turns[0]}
    return row | {"processes": world, "images_a_second": world * batch / row["step_s"]}


def main() -> None:
    """Print a line for each number of processes, write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--model", choices=tuple(MODELS), default="digit-lite")
    parser.add_argument("--batch", type=int, default=8, help="images of a process")
    parser.add_argument("--rounds", type=int, default=5, help="steps of a turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--json", type=Path)
    o = parser.parse_args()
    there = torch.cuda.device_count() if o.device == "cuda" else os.cpu_count() or 1
    if max(o.processes) > there:
        raise SystemExit(f"--processes {max(o.processes)}: there are {there} to run them on")
    about = hardware(torch.device(o.device)) | {
        "model": o.model,
        "batch": o.batch,
        "warm_up": WARM_UP,
    }
    print(about, flush=True)
    turns: dict[int, list[dict]] = {world: [] for world in o.processes}
    for _ in range(o.turns):
        for world in o.processes:
            turns[world].append(turn(world, o))
    rows = [row_of(world, found, o.batch) for world, found in turns.items()]
    for row in rows:
        grown = row["images_a_second"] / rows[0]["images_a_second"]
        print(
            f"{row['processes']} process(es): {row['images_a_second']:.1f} images/s "
            f"({grown:.2f} of the first), {row['step_s']:.3f} s a step, {row['apart_s']:.3f} "
            f"without summing {row['gradient_mb']:.0f} MB of gradients",
            flush=True,
        )
    if o.json:
        o.json.write_text(json.dumps({"hardware": about, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
