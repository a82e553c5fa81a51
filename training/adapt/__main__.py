# SPDX-License-Identifier: Apache-2.0
"""Train the bundled weights on for one's own camera: `python -m training.adapt --photos OWN...`.

OWN is a folder of labelled pictures, docs/photos.md, as `python -m training.label_photos` makes
it. Its split `train` is half of each batch, our renders are the other half; its split `val` is
measured before and after. One weights file is written, which `DigitEstimator.load` and the node's
parameter `weights` take.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import torch

from digit_core.network.checkpoint import CheckpointError, write_safetensors
from digit_core.weights import BUNDLED, Networks, load_networks
from training import options as flags
from training.adapt.course import COURSES, Course, bundle, set_up, trained_on
from training.adapt.measured import measure, table, worse
from training.default_weights.calibrate import presence_law
from training.default_weights.photos import Photo, read_photos
from training.interhand.errors import DataError

#: Of a step of the bundled weights' own training a seventh.
RATE = 3e-4
#: Pictures of split val from which the law of a hand's probability is fitted anew, on half of them.
LEAST_FOR_THE_LAW = 60
_FRAMES = 150


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    it = argparse.ArgumentParser(
        prog="python -m training.adapt",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("--photos", type=Path, nargs="+", required=True, metavar="OWN")
    it.add_argument("--minutes", type=float, default=30.0, help="of training (default: 30)")
    it.add_argument(
        "--output",
        type=Path,
        default=Path("adapted.safetensors"),
        metavar="OUT.safetensors",
        help="must not be there yet (default: %(default)s)",
    )
    it.add_argument("--part", choices=tuple(COURSES), default="both")
    it.add_argument("--start-from", type=Path, default=BUNDLED, metavar="FILE")
    it.add_argument("--rate", type=float, default=RATE, help="highest learning rate")
    it.add_argument("--batch", type=flags.positive, default=32, help="a multiple of 8")
    it.add_argument("--seed", type=int, default=1)
    it.add_argument(
        "--pool", type=flags.positive, default=512, help="pairs of hands made at a time"
    )
    it.add_argument("--chunk", type=int, default=256, help="renders made at a time")
    it.add_argument("--uses", type=flags.positive, default=4, help="how often each render is shown")
    it.add_argument("--frames", type=flags.positive, default=_FRAMES, help="rendered, for the law")
    it.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return it


def own_photos(folders: Sequence[Path]) -> tuple[list[Photo], list[Photo]]:
    """Photos to train on and photos to measure on; the second list may be empty.

    Raises:
        DataError: there is no labelled hand to train on.
    """
    useful = [p for p in read_photos(folders, "train") if p.hands or p.complete]
    if not any(photo.hands for photo in useful):
        where = ", ".join(map(str, folders))
        raise DataError(f"{where}: no labelled hand in split 'train'; nothing can be learnt")
    try:
        held_out = read_photos(folders, "val")
    except DataError:
        return useful, []
    # Pictures without a split are of both: they are trained on.
    taken = {photo.path for photo in useful}
    held_out = [p for p in held_out if (p.hands or p.complete) and p.path not in taken]
    return useful, held_out


def check_output(output: Path) -> None:
    """Refuse an output that is there, or cannot be written, before any work is done.

    Raises:
        DataError: the sentence says why.
    """
    if output.suffix != ".safetensors":
        raise DataError(f"{output}: expected a name that ends in .safetensors")
    if output.exists():
        raise DataError(f"{output}: it is there already; name another --output")
    if not output.resolve().parent.is_dir():
        raise DataError(f"{output}: its folder does not exist")


def adapt(o: argparse.Namespace) -> None:
    """Measure, train, fit, write, measure again.

    Raises:
        ValueError, OSError: the sentence says what is wrong; nothing was written.
    """
    check_output(o.output)
    set_up(o.device)
    train_photos, val = own_photos(o.photos)
    metadata, _ = bundle(o.start_from)
    fitting, measured = halves(val)
    print(f"{len(train_photos)} pictures to train on, {len(measured)} to measure on", flush=True)
    networks = load_networks(o.start_from, o.device)
    before = measure(networks, measured) if measured else None
    names = [field.name for field in fields(Course) if hasattr(o, field.name)]
    course = Course(parts=o.part, **{name: getattr(o, name) for name in names})
    tensors = trained_on(o.start_from, train_photos, course)
    with tempfile.TemporaryDirectory() as folder:
        unfinished = Path(folder) / o.output.name
        write_safetensors(unfinished, tensors, metadata)
        law = fit_law(load_networks(unfinished, o.device), fitting, o.frames)
    metadata |= {name: f"{value:.4f}" for name, value in law.items()}
    write_safetensors(o.output, tensors, metadata)
    if before is None:
        print("nothing was measured: there are no pictures of split 'val'")
    else:
        report(before, measure(load_networks(o.output, o.device), measured))
    print(f"{o.output}: {o.output.stat().st_size / 1e6:.1f} MB")


def halves(val: Sequence[Photo]) -> tuple[list[Photo], list[Photo]]:
    """Photos to fit the law of a hand's probability on, and those to measure on.

    Where there are too few, none are for fitting.
    """
    if len(val) < LEAST_FOR_THE_LAW:
        return [], list(val)
    return list(val[::2]), list(val[1::2])


def fit_law(networks: Networks, photos: Sequence[Photo], frames: int) -> dict[str, float]:
    """The law of a hand's probability for these weights; empty where it is kept, and says so."""
    if not photos:
        print(
            "the law of a hand's probability is kept as it was: "
            f"a new one takes {LEAST_FOR_THE_LAW} pictures of split 'val'"
        )
        return {}
    law = presence_law(networks, frames, photos)
    if law is None:
        print("the law of a hand's probability is kept as it was: no hand is seen any more")
        return {}
    print(f"the law of a hand's probability is fitted on {len(photos)} pictures of split 'val'")
    return law


def report(before: dict[str, float], after: dict[str, float]) -> None:
    """Print both, and plainly where it got worse."""
    print(table(before, after))
    faults = worse(before, after)
    if faults:
        print(
            f"WORSE than before on your own pictures: {'; '.join(faults)}. The file is written all "
            "the same; better keep the weights that you had, and check the labels."
        )


def main(arguments: list[str] | None = None) -> int:
    """Command line; 2 with a sentence where an input cannot be used; worse weights are no error."""
    it = parser()
    o = it.parse_args(arguments)
    if o.batch % 8 or o.minutes <= 0 or o.rate <= 0 or o.chunk < 0:
        it.error("--batch is a multiple of 8, --minutes and --rate are above 0, --chunk from 0 on")
    try:
        adapt(o)
    except (ValueError, OSError, CheckpointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; nothing was written", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
