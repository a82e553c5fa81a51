# SPDX-License-Identifier: Apache-2.0
"""The flags that train, test and demo share: those of the DIGIT release, and ours."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from digit_core.network import MODELS
from digit_core.network.checkpoint import CheckpointError
from training.interhand.dataset import DEPTH_SOURCES
from training.interhand.errors import DataError
from training.predictions import PredictionsError

EVALUATED = ("minival", "smallval", "val", "minitest", "smalltest", "test")
#: Errors that the user can do something about: one sentence, no traceback.
FAULTS = (DataError, CheckpointError, PredictionsError, OSError)


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Where the data is and what reads it."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "--data_root",
        type=Path,
        default=Path("data/InterHand"),
        metavar="DIR",
        help="InterHand2.6M's folder, see docs/training.md (default: %(default)s)",
    )
    group.add_argument("--num_workers", type=int, default=8, help="reading processes per GPU")
    group.add_argument("--test_batch_size", type=positive, default=16)
    group.add_argument(
        "--trans_test",
        choices=DEPTH_SOURCES,
        default="rootnet",
        help="source of boxes and wrist depths in evaluation (default: %(default)s); "
        "hand_size: annotated boxes, depths from the size of an adult's hand",
    )
    group.add_argument("--seed", type=int, default=1)


def add_machine_options(parser: argparse.ArgumentParser) -> None:
    """What it runs on."""
    group = parser.add_argument_group("machine")
    group.add_argument(
        "--gpu_ids",
        type=int,
        nargs="+",
        default=[0],
        help="GPUs to use, one process each; without a GPU as many CPU processes",
    )
    group.add_argument("--num_nodes", type=positive, default=1, help="machines (DDP)")
    group.add_argument(
        "--precision",
        type=int,
        choices=(16, 32),
        default=16,
        help="16: bfloat16 where the device has it (evaluation on a GPU: float16), else float16",
    )


def add_weights_options(parser: argparse.ArgumentParser, both: bool = True) -> None:
    """Which network; `both` where the checkpoint is only read for its weights."""
    group = parser.add_argument_group("network")
    group.add_argument("--load_from", default="", metavar="W", help="weights: .pt, .safetensors")
    if both:
        group.add_argument("--load_ckpt", default="", metavar="C", help="a training checkpoint")
    else:
        group.add_argument("--model", choices=tuple(MODELS), default="digit")


def weights_of(options: argparse.Namespace) -> str:
    """The one weights file that was asked for.

    Raises:
        DataError: none was, or two were.
    """
    if bool(options.load_from) == bool(options.load_ckpt):
        raise DataError(
            "give one of --load_from W.pt and --load_ckpt logs/KEY/model_dump/last.ckpt"
        )
    return str(options.load_from or options.load_ckpt)


def machine_of(options: argparse.Namespace, training: bool) -> dict:
    """Arguments of Lightning's Trainer: accelerator, devices, nodes, strategy, precision."""
    from lightning.pytorch.strategies import DDPStrategy

    gpu = torch.cuda.is_available()
    if not gpu:
        processes = len(options.gpu_ids)
        warn(f"no GPU here: --gpu_ids {_words(options.gpu_ids)} runs {processes} CPU process(es)")
    elif bad := [i for i in options.gpu_ids if i >= torch.cuda.device_count()]:
        count = torch.cuda.device_count()
        raise DataError(f"--gpu_ids {_words(bad)}: there are {count} GPUs, numbered from 0")
    several = len(options.gpu_ids) * options.num_nodes > 1
    # Batch norms are averaged at the end of an epoch; processes may have unlike numbers of batches.
    ddp = DDPStrategy(broadcast_buffers=False, process_group_backend="nccl" if gpu else "gloo")
    return {
        "accelerator": "gpu" if gpu else "cpu",
        "devices": list(options.gpu_ids) if gpu else len(options.gpu_ids),
        "num_nodes": options.num_nodes,
        "strategy": ddp if several else "auto",
        "precision": _precision(options.precision, gpu, training),
        "use_distributed_sampler": False,
    }


def _precision(bits: int, gpu: bool, training: bool) -> str:
    if bits == 32:
        return "32-true"
    half = gpu and not (training and torch.cuda.is_bf16_supported(including_emulation=False))
    return "16-mixed" if half else "bf16-mixed"


def positive(text: str) -> int:
    """A whole number from 1 on, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 on")
    return number


def warn(sentence: str) -> None:
    """Say something on stderr, once for all processes."""
    import os

    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(f"warning: {sentence}", file=sys.stderr, flush=True)


def run_command(command: Callable[[], object]) -> int:
    """Run it; 2 with one sentence where the user's input is at fault."""
    try:
        command()
    except FAULTS as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _words(values: list[int]) -> str:
    return " ".join(map(str, values))
