# SPDX-License-Identifier: Apache-2.0
"""Read a network from any weights file that the project knows, and write our own form."""

import os
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from digit_core.network import MODELS, build_model
from digit_core.network.keys import ours_from_published, without_wrapper
from digit_core.printable import printable

KEYS_NAMED = 3  # so many keys that don't fit are named in an error
NAME_LENGTH = 80  # of foreign names in an error
#: What weights, and the counts of batch norms, are stored as.
PLAIN_TYPES = (
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
)
EXPECTED = "expected a DIGIT checkpoint (.pt, .ckpt) or the project's .safetensors"


class CheckpointError(ValueError):
    """A weights file that cannot be used; the message names the file and what was expected."""

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(sentence))


def load_model(path: str | os.PathLike[str], device: str | torch.device = "cpu") -> nn.Module:
    """Build the network that a weights file holds, in eval mode with float32 weights.

    Three forms are read, none of which may run code (`weights_only=True`): the published flat
    mapping from key to tensor, with or without `model.` before its keys; a Lightning
    checkpoint (its `state_dict`); a .safetensors file whose metadata has `model`, a name of
    `digit_core.network.MODELS`. In a mapping, too, an entry `model` may name the network.

    Args:
        path: the file; its content tells its form, not its name.
        device: where the network goes.

    Returns:
        The network: images (B, 3, 256, 256) float32 RGB in [0, 1] to `DigitOutput`.

    Raises:
        CheckpointError: the file is missing, truncated, no checkpoint, needs more than
            `weights_only=True`, or is of another network.
    """
    path = Path(path)
    name, state = read_checkpoint(path)
    model = build_model(name)
    _check_fit(path, name, state, model.state_dict())
    model.load_state_dict(state)
    return model.eval().to(device)


def save_model(path: str | os.PathLike[str], model: nn.Module, name: str, **notes: str) -> None:
    """Write a network's weights as .safetensors with its name and notes as metadata.

    Args:
        path: the file; it appears only when it is complete.
        model: a network of `digit_core.network.MODELS`.
        name: its name there.
        notes: further metadata, such as data and seed.

    Raises:
        ValueError: there is no network of that name.
    """
    if name not in MODELS:
        raise ValueError(f"network {name!r}: expected one of {', '.join(MODELS)}")
    state = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    write_safetensors(Path(path), state, {"model": name, **notes})


def write_safetensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a .safetensors file; it appears only when it is complete, as the umask has it."""
    unfinished = path.with_name(path.name + ".part")
    # Their save_file would give it to its owner alone, whatever the umask says.
    unfinished.write_bytes(save(tensors, metadata))
    os.replace(unfinished, path)


def read_checkpoint(path: str | os.PathLike[str]) -> tuple[str, dict[str, Tensor]]:
    """The network's name and its weights under our keys, on the CPU, as stored.

    Raises:
        CheckpointError: as `load_model`, but whether the weights fit is not looked at.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; {EXPECTED}")
    try:
        name, state = _read_safetensors(path) if _is_safetensors(path) else _read_pickle(path)
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be read ({error.strerror or error}); {EXPECTED}"
        ) from error
    if name not in MODELS:
        known = ", ".join(MODELS)
        raise CheckpointError(
            f"{path}: holds a network {name[:NAME_LENGTH]!r}; expected one of {known}"
        )
    check_plain(path, state)
    return name, ours_from_published(without_wrapper(state))


def check_plain(path: Path, state: Mapping[str, Tensor]) -> None:
    """Whether all tensors are dense numbers in memory; sparse, quantized and meta ones are not.

    Raises:
        CheckpointError: one is not.
    """
    for key, value in state.items():
        dense = value.layout is torch.strided and value.device.type == "cpu"
        if not dense or value.dtype not in PLAIN_TYPES:
            raise CheckpointError(
                f"{path}: {key[:NAME_LENGTH]} is no dense tensor of plain numbers; {EXPECTED}"
            )


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(9)
    # 8 bytes of header length, then a JSON object
    return path.suffix == ".safetensors" or start[8:] == b"{"


def _read_safetensors(path: Path) -> tuple[str, dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  no mapping
    except SafetensorError as error:
        raise CheckpointError(f"{path}: damaged or no .safetensors file; {EXPECTED}") from error
    if "model" not in metadata:
        known = ", ".join(MODELS)
        raise CheckpointError(f"{path}: metadata has no 'model'; expected one of {known}")
    return metadata["model"], state


def _read_pickle(path: Path) -> tuple[str, dict[str, Tensor]]:
    content = _unpickle(path)
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path}: holds a {type(content).__name__}, no mapping; {EXPECTED}")
    name = content.get("model", "digit")
    state = content.get("state_dict")
    if state is None:
        state = {key: value for key, value in content.items() if key != "model"}
    tensors = isinstance(state, Mapping) and all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    )
    if not tensors or not state or not isinstance(name, str):
        raise CheckpointError(f"{path}: is no mapping from keys to tensors; {EXPECTED}")
    return name, dict(state)


def _unpickle(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        if "unsupported" in str(error).lower() and "GLOBAL" in str(error):
            raise CheckpointError(
                f"{path}: holds Python objects that would run code when read; "
                "expected tensors alone (torch's weights_only=True)"
            ) from error
        raise CheckpointError(f"{path}: truncated or no checkpoint; {EXPECTED}") from error
    except Exception as error:  # torch raises many kinds over damaged files
        raise CheckpointError(f"{path}: truncated or no checkpoint; {EXPECTED}") from error


def _check_fit(
    path: Path, name: str, state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> None:
    """Raise one error that names the first keys that don't fit the network."""
    shared = [key for key in wanted if key in state]
    # A tensor of another shape may say that it has billions of entries: it is not looked into.
    fitting = [key for key in shared if state[key].shape == wanted[key].shape]
    problems = {
        "missing": [key for key in wanted if key not in state],
        "not of this network": [key for key in state if key not in wanted],
        "of another shape": [
            f"{key} {tuple(state[key].shape)} for {tuple(wanted[key].shape)}"
            for key in shared
            if state[key].shape != wanted[key].shape
        ],
        "of another type": [
            f"{key} {state[key].dtype}"
            for key in shared
            if state[key].is_floating_point() != wanted[key].is_floating_point()
        ],
        "not finite": [
            key for key in fitting if state[key].is_floating_point() and not _finite(state[key])
        ],
    }
    found = [f"{len(keys)} {kind} ({_first(keys)})" for kind, keys in problems.items() if keys]
    if found:
        raise CheckpointError(f"{path}: does not fit the network {name!r}: " + "; ".join(found))


def _finite(tensor: Tensor) -> bool:
    return bool(tensor.isfinite().all())


def _first(keys: list[str]) -> str:
    return ", ".join(key[:NAME_LENGTH] for key in keys[:KEYS_NAMED]) + (
        ", ..." if len(keys) > KEYS_NAMED else ""
    )
