# SPDX-License-Identifier: Apache-2.0
"""Figures of a network on InterHand2.6M, or of a predictions file.

    python -m training.test --eval_on test --load_from saved_models/db7cba8c1.pt --precision 16
    python -m training.test --eval_on val --load_ckpt logs/KEY/model_dump/last.ckpt
    python -m training.test --predictions F.npz [--json OUT]

What a predictions file holds: docs/predictions.md. What the figures mean: `training.metrics`.
"""

import argparse
import sys
from pathlib import Path

from digit_core import load_model
from digit_core.network.checkpoint import read_checkpoint
from training import options as flags
from training.figures import figures_of, report, write_json
from training.interhand.dataset import NAME, split_of
from training.predictions import PredictionsFile, Protocol, load_predictions, save_predictions


def parser() -> argparse.ArgumentParser:
    """The release's flags and ours."""
    p = argparse.ArgumentParser(
        prog="python -m training.test",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--eval_on", choices=flags.EVALUATED, help="split or subset")
    p.add_argument("--predictions", metavar="F.npz", help="evaluate this file instead")
    p.add_argument("--json", metavar="OUT", help="write all figures here")
    p.add_argument("--save_predictions", metavar="F.npz", help="for --predictions later")
    p.add_argument("--save_parts", action="store_true", help="the part labels too (16 KB an item)")
    flags.add_weights_options(p)
    flags.add_data_options(p)
    flags.add_machine_options(p)
    return p


def evaluate_network(o: argparse.Namespace) -> tuple[PredictionsFile, float | None] | None:
    """Run the network over the subset; None in all processes but the first.

    Raises:
        DataError, CheckpointError: data or weights cannot be used.
    """
    import lightning.pytorch as pl
    from lightning.pytorch.callbacks import TQDMProgressBar

    from training.loaders import InterHandLoaders, Reading
    from training.module import HandModule
    from training.train import quiet

    weights = flags.weights_of(o)
    name, _ = read_checkpoint(weights)
    module = HandModule(load_model(weights), name, keep_parts=o.save_parts)
    quiet()
    reading = Reading(o.data_root, o.num_workers, o.trans_test, o.seed)
    loaders = InterHandLoaders(reading, evaluate=o.eval_on, test_batch=o.test_batch_size)
    loaders.prepare_data()
    trainer = pl.Trainer(
        **flags.machine_of(o, training=False),
        logger=False,
        enable_checkpointing=False,
        callbacks=[TQDMProgressBar(refresh_rate=5)],
    )
    trainer.test(module, loaders, verbose=False)
    found = module.evaluation
    if found is None or not trainer.is_global_zero:
        return None
    protocol = Protocol(NAME, split_of(o.eval_on), o.eval_on, o.trans_test, Path(weights).name)
    return PredictionsFile(found.predictions, found.truth, protocol, found.parts), found.part_iou


def run(o: argparse.Namespace) -> None:
    """Evaluate, print, and write what was asked for."""
    iou: float | None
    if o.predictions:
        content = load_predictions(o.predictions)
        metrics, iou = figures_of(content)
    else:
        found = evaluate_network(o)
        if found is None:
            return
        content, iou = found
        metrics, _ = figures_of(content._replace(parts=None))
    if o.save_predictions:
        save_predictions(o.save_predictions, content)
    if o.json:
        write_json(o.json, content.protocol, metrics, iou)
    print(report(content.protocol, metrics, iou))


def main(arguments: list[str] | None = None) -> int:
    """Print the figures; 2 with one sentence where a file cannot be used."""
    p = parser()
    o = p.parse_args(arguments)
    if bool(o.predictions) == bool(o.eval_on):
        p.error("give one of --eval_on SUBSET and --predictions F.npz")
    return flags.run_command(lambda: run(o))


if __name__ == "__main__":
    sys.exit(main())
