# SPDX-License-Identifier: Apache-2.0
"""A step from host memory to host memory, on CUDA as one graph for each shape of its inputs."""

import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

#: Tensors on the device to what goes back to the host, float32, and all that stays there.
Step = Callable[..., tuple[Tensor, ...]]
#: In host memory, and on the device.
Answer = tuple[np.ndarray, tuple[Tensor, ...]]
#: Shapes that get a graph of their own.
_MOST_GRAPHS = 16
_WARM_UPS = 3


class DeviceStep:
    """A step whose inputs and first answer lie in host memory; threads may share it.

    Attributes:
        replayed: whether CUDA replays graphs: without Python between a network's hundreds of
            kernels, which take less time than it takes to start them one by one.
    """

    def __init__(
        self,
        step: Step,
        device: torch.device,
        graphs: bool = True,
        same: Callable[[np.ndarray, np.ndarray], bool] | None = None,
    ) -> None:
        """Run `step` on a device, op by op unless it is a CUDA device and `graphs` are wanted.

        Args:
            step: is called with one tensor on the device for each array.
            device: where.
            graphs: replay it.
            same: whether a graph's first answer is the step's; no graph is used again that gave
                another.
        """
        self._step, self._device = step, device
        self.replayed = graphs and device.type == "cuda"
        self._same = same
        self._graphs: dict[tuple[tuple[int, ...], ...], _Graph] = {}
        # Graphs share memory: one runs at a time, and its answers are copied before the next.
        self._memory = torch.cuda.graph_pool_handle() if self.replayed else None
        self._lock = threading.Lock()

    def __call__(self, *arrays: np.ndarray) -> Answer:
        """The step's answer: in host memory, and what stays on the device."""
        if self.replayed:
            with self._lock:
                graph = self._graph_for(arrays)
                if graph is not None:
                    return graph(arrays)
        return self._op_by_op(arrays)

    def _op_by_op(self, arrays: Sequence[np.ndarray]) -> Answer:
        tensors = [_tensor(array).to(self._device) for array in arrays]
        answer, *stays = self._step(*tensors)
        return answer.cpu().numpy(), tuple(stays)

    def _graph_for(self, arrays: Sequence[np.ndarray]) -> "_Graph | None":
        key = tuple(array.shape for array in arrays)
        if key not in self._graphs and len(self._graphs) < _MOST_GRAPHS:
            try:
                graph = _Graph(self._step, arrays, self._device, self._memory)
                self._check(graph, arrays)
            except RuntimeError as error:
                self.replayed = False
                warnings.warn(
                    f"no CUDA graph could be made, frames will take longer: {error}", stacklevel=4
                )
                return None
            self._graphs[key] = graph
        return self._graphs.get(key)

    def _check(self, graph: "_Graph", arrays: Sequence[np.ndarray]) -> None:
        if self._same and not self._same(graph(arrays)[0], self._op_by_op(arrays)[0]):
            raise RuntimeError("its answer is not that of the same steps one by one")


class _Graph:
    """A recorded step between pinned buffers."""

    def __init__(
        self, step: Step, arrays: Sequence[np.ndarray], device: torch.device, memory: Any
    ) -> None:
        """Record `step` for inputs like `arrays`, with the graphs that share `memory`.

        Raises:
            RuntimeError: it cannot be recorded.
        """
        self._device = device
        given = [_tensor(array) for array in arrays]
        self._host_in = [torch.empty_like(t, pin_memory=True) for t in given]
        self._inputs = [t.to(device) for t in given]
        with torch.cuda.device(device):
            stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream), _benchmarked():
                for _ in range(_WARM_UPS):
                    step(*self._inputs)
            torch.cuda.current_stream().wait_stream(stream)
            self._graph = torch.cuda.CUDAGraph()
            # Other threads of the process may use the card meanwhile.
            capture = torch.cuda.graph(self._graph, memory, capture_error_mode="thread_local")
            with capture, _benchmarked():
                self._answer, *self._stays = step(*self._inputs)
        self._host_out = torch.empty(self._answer.shape, dtype=torch.float32, pin_memory=True)

    def __call__(self, arrays: Sequence[np.ndarray]) -> Answer:
        with torch.cuda.device(self._device):
            for host, place, array in zip(self._host_in, self._inputs, arrays, strict=True):
                np.copyto(host.numpy(), array)
                place.copy_(host, non_blocking=True)
            self._graph.replay()
            self._host_out.copy_(self._answer, non_blocking=True)
            # The next replay writes over the graph's own.
            stays = tuple(tensor.clone() for tensor in self._stays)
            torch.cuda.current_stream().synchronize()
        return self._host_out.numpy().copy(), stays


def _tensor(array: np.ndarray) -> Tensor:
    """An array's memory as a tensor, or a copy where torch could not use it."""
    return torch.from_numpy(np.require(array, requirements=["C_CONTIGUOUS", "WRITEABLE"]))


@contextmanager
def _benchmarked() -> Iterator[None]:
    """Let cuDNN try its algorithms and keep the fastest."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
