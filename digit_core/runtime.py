# SPDX-License-Identifier: Apache-2.0
"""How a network is run: norms folded, channels last, precision, and on CUDA one graph a batch size.

The way from crops to numbers is the same everywhere, `PoseRuntime._step`; a CUDA graph only replays
it without Python between its kernels.
"""

import copy
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from digit_core.decode import pack
from digit_core.network.lite import DigitLite

#: Names of precisions; "auto" is decided by `dtype_of`.
PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
#: Batch sizes that get a graph of their own; each holds the memory of one pass.
_MOST_GRAPHS = 8
_WARM_UPS = 3
CPU_FLAGS = Path("/proc/cpuinfo")
_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}

#: Crops (B, 256, 256, 3) uint8 on the device to numbers (B, N) float32 and part logits.
Step = Callable[[Tensor], tuple[Tensor, Tensor]]


def dtype_of(precision: str, device: torch.device, network: nn.Module | None = None) -> torch.dtype:
    """The floating type that a precision means on a device.

    "auto" is bf16 for `digit-lite` on a CPU that computes in it, where its accuracy is measured
    (`test/digit_core/test_precision.py`), else fp32.

    Raises:
        ValueError: there is no such precision, or not on this device.
    """
    known = ["auto", *PRECISIONS]
    if precision not in known:
        raise ValueError(f"precision {precision!r}: expected one of {', '.join(known)}")
    if precision == "auto":
        fast = device.type == "cpu" and isinstance(network, DigitLite) and _cpu_has_bf16()
        return torch.bfloat16 if fast else torch.float32
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


class PoseRuntime:
    """Runs the pose network: crops in host memory to decoded numbers in host memory.

    Attributes:
        network: what is run; see `prepare`.
        dtype: its precision.
    """

    def __init__(
        self,
        network: nn.Module,
        device: torch.device,
        precision: str = "auto",
        graphs: bool = False,
    ) -> None:
        """Prepare a network that is on `device`; with `graphs` CUDA replays one graph a batch size.

        Raises:
            ValueError: the precision cannot be had there.
        """
        self.dtype = dtype_of(precision, device, network)
        self.network = prepare(network, self.dtype)
        if isinstance(self.network, DigitLite):
            self.network.upsample_parts = False  # `segmentation.paint` does, for who wants them
        self._device = device
        self._graphs: dict[int, _Graph] = {}
        self._use_graphs = graphs and device.type == "cuda"

    @torch.inference_mode()
    def __call__(self, patches: np.ndarray) -> tuple[np.ndarray, Tensor]:
        """Run a batch of crops.

        Args:
            patches: (B, 256, 256, 3) uint8 RGB.

        Returns:
            `digit_core.decode.pack`'s numbers (B, N) float32, and the part logits (B, 33, h, w)
            on the device, in the network's precision and at its own size.
        """
        graph = self._graph_for(patches.shape) if self._use_graphs else None
        if graph is not None:
            return graph(patches)
        with _exact(self.dtype):
            numbers, parts = self._step(torch.from_numpy(patches).to(self._device))
        return numbers.cpu().numpy(), parts

    def _step(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        images = patches.permute(0, 3, 1, 2).float().div_(255)
        output = self.network(images)
        return pack(output), output.part_logits

    def _graph_for(self, shape: tuple[int, ...]) -> "_Graph | None":
        batch = shape[0]
        if batch not in self._graphs and len(self._graphs) < _MOST_GRAPHS:
            try:
                with _exact(self.dtype):
                    self._graphs[batch] = _Graph(self._step, shape, self._device)
            except RuntimeError as error:
                self._use_graphs = False
                warnings.warn(
                    f"no CUDA graph could be made, frames will take longer: {error}", stacklevel=3
                )
        return self._graphs.get(batch) if self._use_graphs else None


class _Graph:
    """One batch size as one CUDA graph between two pinned buffers."""

    def __init__(self, step: Step, shape: tuple[int, ...], device: torch.device) -> None:
        self._device = device
        self._host_in = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        self._patches = torch.zeros(shape, dtype=torch.uint8, device=device)
        with torch.cuda.device(device):
            stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream), _benchmarked():
                for _ in range(_WARM_UPS):
                    step(self._patches)
            torch.cuda.current_stream().wait_stream(stream)
            self._graph = torch.cuda.CUDAGraph()
            # Other threads of the process may use the card meanwhile.
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"), _benchmarked():
                self._numbers, self._parts = step(self._patches)
        self._host_out = torch.empty(self._numbers.shape, dtype=torch.float32, pin_memory=True)

    def __call__(self, patches: np.ndarray) -> tuple[np.ndarray, Tensor]:
        with torch.cuda.device(self._device):
            self._host_in.copy_(torch.from_numpy(patches))
            self._patches.copy_(self._host_in, non_blocking=True)
            self._graph.replay()
            self._host_out.copy_(self._numbers, non_blocking=True)
            parts = self._parts.clone()  # the next replay writes over the graph's own
            torch.cuda.current_stream().synchronize()
        return self._host_out.numpy().copy(), parts


@contextmanager
def _benchmarked() -> Iterator[None]:
    """Let cuDNN try its algorithms and keep the fastest."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


@contextmanager
def _exact(dtype: torch.dtype) -> Iterator[None]:
    """Keep float32 convolutions float32 on CUDA: cuDNN's default, TF32, has 10 bits."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = before and dtype != torch.float32
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
