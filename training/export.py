# SPDX-License-Identifier: Apache-2.0
"""A network as one file for other runtimes, checked against torch before it is written.

    python -m training.export --load_from W --format onnx --output digit.onnx
    python -m training.export --load_from W --format torchscript --output digit.ts

Input `images` (N, 3, 256, 256), RGB in [0, 1], any N; outputs by the names of `DigitOutput`,
soft-argmax included.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from digit_core import load_model
from digit_core.network.output import DigitOutput
from training import options as flags
from training.interhand.errors import DataError
from training.interhand.patch import PATCH_PX

OPSET = 18  # ONNX Runtime from 1.14 and TensorRT from 8.6 read it
#: Largest difference from torch, relative to an output's largest value.
TOLERANCE = 1e-3
CHECKED_BATCHES = (1, 3)
_BATCH = torch.export.Dim("batch", min=1, max=4096)


class Outputs(nn.Module):
    """A network that returns a plain tuple."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images to the values of `DigitOutput`, in its order."""
        return tuple(self.model(images))


def export_onnx(model: nn.Module, path: Path) -> None:
    """Write ONNX with a dynamic batch."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        name = error.name
        raise DataError(f"{name} is not installed: pip install 'digit-hands[export]'") from error
    torch.onnx.export(
        Outputs(model).eval(),
        (_images(2),),
        str(path),
        input_names=["images"],
        output_names=list(DigitOutput._fields),
        dynamic_shapes={"images": {0: _BATCH}},
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def export_torchscript(model: nn.Module, path: Path) -> None:
    """Write TorchScript, traced; the batch may have any size."""
    with torch.no_grad():
        torch.jit.save(
            torch.jit.trace(Outputs(model).eval(), _images(2), check_trace=False), str(path)
        )


def run_onnx(path: Path, images: Tensor) -> list[np.ndarray]:
    """Outputs of ONNX Runtime on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return [np.asarray(value) for value in session.run(None, {"images": images.numpy()})]


def run_torchscript(path: Path, images: Tensor) -> list[np.ndarray]:
    """Outputs of the TorchScript file on the CPU."""
    with torch.no_grad():
        return [value.numpy() for value in torch.jit.load(str(path))(images)]


FORMATS = {
    # name: (write, run)
    "onnx": (export_onnx, run_onnx),
    "torchscript": (export_torchscript, run_torchscript),
}


def export(model: nn.Module, form: str, path: Path) -> dict[str, float]:
    """Write a network and check the file.

    Args:
        model: in eval mode, on the CPU.
        form: a name of `FORMATS`.
        path: the file; it appears only when it agrees with torch.

    Returns:
        Largest difference from torch by output, relative to the output's largest value.

    Raises:
        DataError: the file disagrees with torch, its folder or a package is missing.
    """
    write, run = FORMATS[form]
    if not path.absolute().parent.is_dir():
        raise DataError(f"{path.absolute().parent}: no such folder")
    unfinished = path.with_name(path.name + ".part")
    write(model, unfinished)
    worst = dict.fromkeys(DigitOutput._fields, 0.0)
    for count in CHECKED_BATCHES:
        images = _images(count)
        with torch.no_grad():
            wanted = model(images)
        for name, ours, theirs in zip(worst, wanted, run(unfinished, images), strict=True):
            error = float((ours - torch.from_numpy(theirs)).abs().max() / ours.abs().max())
            worst[name] = max(worst[name], error)
    if not max(worst.values()) <= TOLERANCE:
        unfinished.unlink()
        raise DataError(f"{path}: the exported network disagrees with torch: {worst}")
    os.replace(unfinished, path)
    return worst


def _images(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.rand(count, 3, PATCH_PX, PATCH_PX, generator=generator)


def main(arguments: list[str] | None = None) -> int:
    """Export; 2 with one sentence where weights or packages are at fault."""
    parser = argparse.ArgumentParser(
        prog="python -m training.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    flags.add_weights_options(parser)
    parser.add_argument("--format", choices=tuple(FORMATS), default="onnx")
    parser.add_argument("--output", type=Path, required=True, metavar="F")
    o = parser.parse_args(arguments)

    def run() -> None:
        worst = export(load_model(flags.weights_of(o)), o.format, o.output)
        print(f"{o.output}: {o.format}, batch dynamic; largest relative difference from torch:")
        print("\n".join(f"  {name} {error:.1e}" for name, error in worst.items()))

    return flags.run_command(run)


if __name__ == "__main__":
    sys.exit(main())
