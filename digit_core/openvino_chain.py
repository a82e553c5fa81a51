# SPDX-License-Identifier: Apache-2.0
"""Networks compiled by OpenVINO for CPUs: half of torch's time, and threads that wait asleep.

torch's threads either spin, which takes the cores from the camera and from each other, or sleep,
which costs each layer; OpenVINO joins the layers and schedules them itself. Where the package
`openvino` is not installed, torch runs the networks.
"""

import hashlib
import importlib.util
import sys
import threading
import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

#: Larger batches are run by twos: on a CPU three together take as long as two and one.
_LARGEST = 2
#: The convolutions that see a picture's 8 bits, and therefore need more than bf16 has.
_EXACT_CONVOLUTIONS = 2
#: Converted chains by `_digest`: two of an estimator's, and another's.
_kept: dict[str, list[Any]] = {}
_MOST_KEPT = 4
_converting = threading.Lock()


def available() -> bool:
    """Whether OpenVINO is installed."""
    return importlib.util.find_spec("openvino") is not None


@cache
def _openvino() -> Any:
    """The package, imported so that it does not report to its makers that it was.

    Where its reporter is not installed it takes a stub that does nothing.
    """
    reporter = "openvino_telemetry"
    before = sys.modules.get(reporter)
    sys.modules[reporter] = None  # type: ignore[assignment]  # "not installed"
    try:
        import openvino
    finally:
        del sys.modules[reporter]
        if before is not None:
            sys.modules[reporter] = before
    return openvino


@cache
def _core() -> Any:
    """One for the whole process.

    Its plugin for CPUs gives the thread a stack for signals, and frees it with the last core while
    the thread still has it: the next signal that Python handles would end the process.
    """
    return _openvino().Core()


class OpenVinoChain:
    """Modules that run one after the other, each taking all that the one before gives.

    Calls from several threads wait for each other.
    """

    def __init__(self, modules: Sequence[nn.Module], example: Tensor, bf16: bool = False) -> None:
        """Compile for as many threads as torch has now.

        Args:
            modules: tensors to a tuple of tensors each, in eval mode and float32.
            example: input of the first; its first axis is the batch.
            bf16: run the first module in bf16 behind its first two convolutions.
        """
        self._lock = threading.Lock()
        models = _models(modules, torch.cat([example[:1]] * _LARGEST))
        self._runs = {
            batch: _Requests([_of_batch(model, batch) for model in models], bf16)
            for batch in range(1, _LARGEST + 1)
        }

    def __call__(self, batch: np.ndarray) -> list[np.ndarray]:
        """What the last module gives for a batch of any size, in new memory."""
        with self._lock:
            found = [
                self._runs[len(some)](some)
                for some in (batch[i : i + _LARGEST] for i in range(0, len(batch), _LARGEST))
            ]
        if len(found) == 1:
            return found[0]
        return [np.concatenate(values) for values in zip(*found, strict=True)]


class _Requests:
    """The chain at one batch size; a link writes where the next one reads."""

    def __init__(self, models: Sequence[Any], bf16: bool) -> None:
        first, *others = models
        links = [(model, "f32") for model in others]
        if bf16:
            stem, body = _cut(first)
            links = [(stem, "f32"), (body, "bf16"), *links]
        else:
            links = [(first, "f32"), *links]
        self._links = [_compiled(model, precision) for model, precision in links]
        for giver, taker in zip(self._links, self._links[1:], strict=False):
            for i in range(len(giver.model_outputs)):
                taker.set_input_tensor(i, giver.get_output_tensor(i))

    def __call__(self, batch: np.ndarray) -> list[np.ndarray]:
        np.copyto(self._links[0].get_input_tensor(0).data, batch)
        for link in self._links:
            link.infer()
        last = self._links[-1]
        # The next batch writes over the tensors' own memory.
        return [last.get_output_tensor(i).data.copy() for i in range(len(last.model_outputs))]


def _models(modules: Sequence[nn.Module], example: Tensor) -> list[Any]:
    """OpenVINO's forms of the modules, kept for when the same ones come again.

    torch's tracer keeps some megabytes for each module that it has seen as long as the process
    lives, and takes most of a second.
    """
    key = _digest(modules, example)
    with _converting:
        if key not in _kept:
            while len(_kept) >= _MOST_KEPT:
                del _kept[next(iter(_kept))]
            models, values = [], (example,)
            with torch.inference_mode():
                for module in modules:
                    models.append(_converted(module, values))
                    values = module(*values)
            _kept[key] = models
        return _kept[key]


def _digest(modules: Sequence[nn.Module], example: Tensor) -> str:
    """Of all that the answers of modules depend on: weights, layers, settings."""
    found = hashlib.sha256(repr((example.shape, example.dtype)).encode())
    for module in modules:
        for name, layer in module.named_modules():
            settings = {k: v for k, v in vars(layer).items() if isinstance(v, (int, float, str))}
            found.update(repr((name, layer, settings)).encode())
    for tensor in modules[0].state_dict().values():
        found.update(tensor.detach().numpy().tobytes())
    return found.hexdigest()


def _converted(module: nn.Module, inputs: tuple[Tensor, ...]) -> Any:
    """OpenVINO's form of a module, for inputs of these shapes."""
    ov = _openvino()
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    frontend = FrontEndManager().load_by_framework("pytorch")
    with warnings.catch_warnings():
        # Of sizes that become constants, as they should, and that torch.export is to come.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(module, inputs, check_trace=False)  # type: ignore[no-untyped-call]
        decoder = TorchScriptPythonDecoder(traced)  # must outlive `convert`
    model = frontend.convert(frontend.load(decoder))
    for port, value in zip(model.inputs, inputs, strict=True):
        port.get_node().set_partial_shape(ov.PartialShape(list(value.shape)))
    model.validate_nodes_and_infer_types()
    return model


def _of_batch(model: Any, batch: int) -> Any:
    """A copy for another batch size."""
    copy = model.clone()
    copy.reshape({port: [batch, *list(port.shape)[1:]] for port in copy.inputs})
    return copy


def _cut(model: Any) -> tuple[Any, Any]:
    """A model in two, behind what follows its first two convolutions."""
    ov = _openvino()
    convolutions = [n for n in model.get_ordered_ops() if n.get_type_name() == "Convolution"]
    between = convolutions[_EXACT_CONVOLUTIONS].input_value(0)
    results = [result.input_value(0) for result in model.get_results()]
    entry = ov.op.Parameter(between.get_element_type(), between.get_partial_shape())
    for taker in list(between.get_target_inputs()):
        taker.replace_source_output(entry.output(0))
    stem = ov.Model([between], model.get_parameters(), "stem")
    return stem, ov.Model(results, [entry], "body")


def _compiled(model: Any, precision: str) -> Any:
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "INFERENCE_PRECISION_HINT": precision,
        # Threads tied to a core wait for whatever else runs on it.
        "ENABLE_CPU_PINNING": False,
    }
    return _core().compile_model(model, "CPU", settings).create_infer_request()
