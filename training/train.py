# SPDX-License-Identifier: Apache-2.0
"""Train a network on InterHand2.6M with PyTorch Lightning.

    python -m training.train --iter_batch 32 --batch_size 64 --gpu_ids 0 --trainsplit train \
        --precision 16 --eval_every_epoch 2 --lr_dec_epoch 40 --max_epoch 50 --min_epoch 50

Writes logs/KEY: model_dump/ (a checkpoint every evaluation, and last.ckpt), log/ (TensorBoard and
CSV), vis/ (pictures of every evaluation), options.json. Interrupted, it goes on with --resume_ckpt.
"""

import argparse
import json
import logging
import os
import secrets
import sys
import warnings
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from torch import nn

from digit_core import load_model
from digit_core.network import build_model
from digit_core.network.checkpoint import read_checkpoint
from training import options as flags
from training.backbone import find_backbone, load_backbone
from training.checkpoint_io import WholeCheckpoints
from training.interhand.errors import DataError
from training.interhand.variations import Variations, find_backgrounds
from training.loaders import InterHandLoaders, Reading
from training.module import HandModule, Schedule, without_parts
from training.train_callbacks import LastCheckpoint, Pictures

KEY_VARIABLE = "DIGIT_RUN_KEY"  # hands the key on to the processes that Lightning starts


def parser() -> argparse.ArgumentParser:
    """The release's flags and ours."""
    p = argparse.ArgumentParser(
        prog="python -m training.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    positive = flags.positive
    p.add_argument(
        "--trainsplit",
        default="smalltrain",
        choices=("train", "smalltrain", "minitrain", "tinytrain"),
    )
    p.add_argument("--valsplit", default="smallval", choices=("val", "smallval", "minival"))
    p.add_argument("--iter_batch", type=positive, default=16, help="items per step and GPU")
    p.add_argument("--batch_size", type=positive, default=64, help="items per update, all GPUs")
    p.add_argument("--max_epoch", type=positive, default=50)
    p.add_argument("--min_epoch", type=positive, default=1)
    p.add_argument("--eval_every_epoch", type=positive, default=5)
    p.add_argument("--lr", type=float, default=1e-4)
    p.add_argument("--lr_dec_epoch", type=int, nargs="+", default=[], help="epochs of decay")
    p.add_argument("--lr_decay", type=float, default=0.1, help="factor at each of them")
    p.add_argument("--log_every", type=positive, default=50, help="steps between logged losses")
    p.add_argument("--load_ckpt", default="", metavar="C", help="go on from C in a new logs/KEY")
    p.add_argument("--resume_ckpt", default="", metavar="C", help="go on from C in its logs/KEY")
    p.add_argument("--backbone", type=Path, metavar="F", help="ImageNet weights for the trunk")
    p.add_argument(
        "--segmentation",
        choices=("parts", "none"),
        default="parts",
        help="none: the paper's baseline without part segmentation",
    )
    p.add_argument(
        "--heatmap_loss",
        type=float,
        metavar="WEIGHT",
        help="of a loss on the heatmaps' form, which the release lacks "
        "(default: 0 for digit, 5 for digit-lite, see docs/training.md)",
    )
    p.add_argument("--save_every", type=positive, default=500, help="updates between last.ckpt")
    p.add_argument("--key", default="", help="name of the run; made up where not given")
    p.add_argument("--no_vis", action="store_true", help="no pictures")
    p.add_argument("--mute", action="store_true", help="no TensorBoard and CSV")
    p.add_argument("--print_summary", action="store_true", help="print all layers")
    p.add_argument("-f", "--fast", action="store_true", help="one batch of everything, minitrain")
    extra = p.add_argument_group("variations beyond the release's, each for half of the items")
    extra.add_argument("--background", type=Path, metavar="DIR", help="pictures behind the hands")
    for name in ("strong_color", "blur", "jpeg", "cutout"):
        extra.add_argument(f"--{name}", action="store_true")
    flags.add_weights_options(p, both=False)
    flags.add_data_options(p)
    flags.add_machine_options(p)
    return p


def run(o: argparse.Namespace) -> Path:
    """Train as the options say and give the run's folder.

    Raises:
        DataError, CheckpointError: data or weights cannot be used.
    """
    if o.fast:
        o.trainsplit, o.valsplit, o.num_workers, o.eval_every_epoch = "minitrain", "minival", 0, 1
    if o.load_ckpt and o.resume_ckpt:
        raise DataError("give one of --load_ckpt and --resume_ckpt")
    resumed = o.resume_ckpt or o.load_ckpt
    machine = flags.machine_of(o, training=True)
    accumulated = accumulation(o)
    quiet()
    pl.seed_everything(o.seed, verbose=False)
    if resumed:
        o.model = check_resumable(resumed, o.model)
    module = build_module(o, fresh=not resumed)
    if o.precision == 16:  # benchmarks/training_step.py: slower in float32 on a CPU
        module.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    loaders = InterHandLoaders(
        Reading(o.data_root, o.num_workers, o.trans_test, o.seed),
        o.trainsplit,
        o.valsplit,
        o.iter_batch,
        o.test_batch_size,
        Variations(
            find_backgrounds(o.background) if o.background else (),
            o.strong_color,
            o.blur,
            o.jpeg,
            o.cutout,
        ),
    )
    loaders.prepare_data()  # so that what is wrong with the data is said before logs/KEY is there
    folder = run_folder(o)
    trainer = pl.Trainer(
        **machine,
        accumulate_grad_batches=accumulated,
        max_epochs=o.max_epoch,
        min_epochs=o.min_epoch,
        check_val_every_n_epoch=o.eval_every_epoch,
        log_every_n_steps=1 if o.fast else o.log_every,
        num_sanity_val_steps=0,
        limit_train_batches=1 if o.fast else None,
        limit_val_batches=None,
        logger=[] if o.mute else _loggers(folder),
        callbacks=_callbacks(o, folder),
        plugins=[WholeCheckpoints()],
        enable_model_summary=o.print_summary,
        default_root_dir=folder,
    )
    if trainer.is_global_zero:
        print(f"run {folder.name}: everything goes to {folder}", flush=True)
        (folder / "options.json").write_text(json.dumps(vars(o), default=str, indent=1) + "\n")
    # Newer Lightning asks for it, as what is not only tensors would run code.
    trainer.fit(module, loaders, ckpt_path=resumed or None, weights_only=True)
    if trainer.is_global_zero:
        print(f"run {folder.name}: done, {folder / 'model_dump' / 'last.ckpt'}", flush=True)
    return folder


def accumulation(o: argparse.Namespace) -> int:
    """Steps that make one update.

    Raises:
        DataError: batch_size is no multiple of what one step takes.
    """
    step = o.iter_batch * len(o.gpu_ids) * o.num_nodes
    if o.batch_size % step:
        raise DataError(
            f"--batch_size {o.batch_size}: expected a multiple of {step} "
            f"(--iter_batch {o.iter_batch} on {len(o.gpu_ids) * o.num_nodes} GPU(s))"
        )
    return int(o.batch_size // step)


def build_module(o: argparse.Namespace, fresh: bool) -> HandModule:
    """The network with its first weights; `fresh` where no checkpoint replaces them."""
    if fresh and o.load_from:
        name, _ = read_checkpoint(o.load_from)
        model: nn.Module = load_model(o.load_from).train()
        o.model = name
    else:
        model = build_model(o.model)
        if fresh and o.model == "digit":
            _start_trunk(model, o.backbone)
    if o.segmentation == "none":
        model = without_parts(model, o.model)
    schedule = Schedule(o.lr, tuple(o.lr_dec_epoch), o.lr_decay)
    parts = o.segmentation == "parts"
    return HandModule(model, o.model, schedule, parts=parts, heatmap_weight=o.heatmap_loss)


def _start_trunk(model: nn.Module, path: Path | None) -> None:
    path = path or find_backbone()
    if path is None:
        flags.warn("no ImageNet weights (--backbone, docs/training.md): the trunk starts at random")
        return
    load_backbone(model.get_submodule("backbone"), path)


def check_resumable(path: str, wanted: str) -> str:
    """The network's name in a checkpoint that training can go on from.

    Raises:
        DataError: it holds weights alone, or is of the release's Lightning 0.9.
    """
    name, _ = read_checkpoint(path)
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    if "loops" not in content or "model" not in content:
        raise DataError(
            f"{path}: holds no state of a run of this command; take its weights with --load_from"
        )
    if name != wanted and wanted != "digit":
        raise DataError(f"{path}: is of {name}, but --model says {wanted}")
    return name


def run_folder(o: argparse.Namespace) -> Path:
    """logs/KEY, the same in all processes of a run."""
    if o.resume_ckpt:
        return Path(o.resume_ckpt).resolve().parent.parent
    if not o.key and KEY_VARIABLE not in os.environ:
        if "TORCHELASTIC_RUN_ID" in os.environ or o.num_nodes > 1:
            raise DataError("with torchrun or several machines give --key NAME, one for all")
        os.environ[KEY_VARIABLE] = secrets.token_hex(5)[:9]
    folder = Path("logs") / (o.key or os.environ[KEY_VARIABLE])
    (folder / "model_dump").mkdir(parents=True, exist_ok=True)
    return folder


def quiet() -> None:
    """Leave out Lightning's advice on what is done on purpose."""
    for text in (".*does not have many workers.*", ".*is smaller than the logging.*"):
        warnings.filterwarnings("ignore", text)
    warnings.filterwarnings("ignore", ".*mid-epoch.*")
    warnings.filterwarnings("ignore", ".*isinstance.treespec, LeafSpec.*")
    warnings.filterwarnings("ignore", ".*find_unused_parameters.*")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _loggers(folder: Path) -> list[Logger]:
    # A CSV logger replaces what it finds: a resumed run writes beside it.
    runs = len(list((folder / "log").glob("csv*"))) if (folder / "log").is_dir() else 0
    return [
        TensorBoardLogger(str(folder), name="log", version="tensorboard"),
        CSVLogger(str(folder), name="log", version=f"csv_{runs + 1}" if runs else "csv"),
    ]


def _callbacks(o: argparse.Namespace, folder: Path) -> list[Any]:
    every_evaluation = ModelCheckpoint(
        dirpath=folder / "model_dump",
        filename="epoch={epoch}",
        auto_insert_metric_name=False,
        save_top_k=-1,
        every_n_epochs=o.eval_every_epoch,
        save_on_train_epoch_end=True,
    )
    callbacks = [
        every_evaluation,
        LastCheckpoint(folder / "model_dump" / "last.ckpt", o.save_every),
        TQDMProgressBar(refresh_rate=5),
    ]
    callbacks += [] if o.mute else [LearningRateMonitor()]
    return callbacks + ([] if o.no_vis else [Pictures(folder / "vis")])


def main(arguments: list[str] | None = None) -> int:
    """Train; 2 with one sentence where options, data or weights cannot be used."""
    o = parser().parse_args(arguments)
    return flags.run_command(lambda: run(o))


if __name__ == "__main__":
    sys.exit(main())
