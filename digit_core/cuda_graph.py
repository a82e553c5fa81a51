# SPDX-License-Identifier: Apache-2.0
"""One batch size of a network as one CUDA graph: replayed without Python between its kernels."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

#: Crops (B, 256, 256, 3) uint8 on the device to numbers (B, N) float32 and part logits.
Step = Callable[[Tensor], tuple[Tensor, Tensor]]
_WARM_UPS = 3


class CudaGraph:
    """A step between two pinned buffers."""

    def __init__(self, step: Step, shape: tuple[int, ...], device: torch.device) -> None:
        """Record `step` for crops of `shape`.

        Raises:
            RuntimeError: it cannot be recorded.
        """
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
        """Numbers in host memory and part logits on the device, of crops in host memory."""
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
