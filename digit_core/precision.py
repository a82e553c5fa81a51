# SPDX-License-Identifier: Apache-2.0
"""A network's faster form: norms folded, channels last, 16 bits where they are accurate enough."""

import copy
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from digit_core.network.lite import DigitLite

#: Names of precisions; "auto" is decided by `dtype_of`.
PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
CPU_FLAGS = Path("/proc/cpuinfo")
_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


def dtype_of(precision: str, device: torch.device, network: nn.Module | None = None) -> torch.dtype:
    """The floating type that a precision means on a device.

    "auto" is 16 bits for `digit-lite`, whose accuracy in them is measured
    (`test/training/synth/test_precision.py`): fp16 on CUDA, bf16 on a CPU that computes in it. Else
    fp32.

    Raises:
        ValueError: there is no such precision, or not on this device.
    """
    known = ["auto", *PRECISIONS]
    if precision not in known:
        raise ValueError(f"precision {precision!r}: expected one of {', '.join(known)}")
    if precision == "auto":
        if isinstance(network, DigitLite):
            if device.type == "cuda":
                return torch.float16
            if device.type == "cpu" and _cpu_has_bf16():
                return torch.bfloat16
        return torch.float32
    if precision == "fp16" and device.type == "cpu":
        raise ValueError("precision 'fp16' on cpu: expected auto, fp32 or bf16")
    return PRECISIONS[precision]


@cache
def _cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bf16 itself; where it does not, bf16 is slower than fp32."""
    try:
        flags = CPU_FLAGS.read_text().split()
    except OSError:
        return False
    return not _BF16_FLAGS.isdisjoint(flags)


def prepare(network: nn.Module, dtype: torch.dtype = torch.float32) -> nn.Module:
    """A copy of a network in eval mode that computes the same in less time.

    Args:
        network: stays as it is; one without batch norms comes back itself.
        dtype: of the copy's weights; images and the first two convolutions stay in float32.

    Returns:
        The network with every batch norm folded into its convolution, channels last.
    """
    if not any(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
        return network
    network = fold_norms(copy.deepcopy(network).eval()).requires_grad_(False)
    if dtype != torch.float32:
        network = _in_16_bits(network, dtype)
    # torch's stubs of `to` do not know memory_format.
    ready: nn.Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return ready


def _in_16_bits(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """All but the first two convolutions, in place.

    bf16 has the 8 bits of a picture's pixels: a picture scaled to another size loses some of them,
    which moves joints more than the rounding of all deeper layers together. Both of our networks
    begin with two convolutions that follow each other and are a hundredth of the work.
    """
    paths = [n for n, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    kept = [copy.deepcopy(network.get_submodule(path)) for path in paths[:2]]
    network = network.to(dtype)
    _replace(network, paths[0], kept[0])
    _replace(network, paths[1], _Rounded(kept[1], dtype))
    return network


def _replace(network: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(network.get_submodule(parent), name, module)


class _Rounded(nn.Module):
    """A layer whose answer is rounded to a precision."""

    def __init__(self, layer: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.layer, self._dtype = layer, dtype

    def forward(self, x: Tensor) -> Tensor:
        """The layer's own answer, rounded."""
        out: Tensor = self.layer(x).to(self._dtype)
        return out


def fold_norms(network: nn.Module) -> nn.Module:
    """Fold each batch norm into the convolution registered just before it, in place.

    Our networks register each norm behind the convolution that feeds it; a norm that stands
    elsewhere is left alone.
    """
    before: tuple[str, nn.Module] | None = None
    for name, child in list(network.named_children()):
        if isinstance(child, nn.BatchNorm2d) and before and isinstance(before[1], nn.Conv2d):
            setattr(network, before[0], fuse_conv_bn_eval(before[1], child))
            setattr(network, name, nn.Identity())
            before = None
        else:
            before = (name, fold_norms(child))
    return network
