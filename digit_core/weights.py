# SPDX-License-Identifier: Apache-2.0
"""Weights files to networks ready to run: the bundled ones, or a user's with our detector."""

import math
import os
from dataclasses import dataclass, fields
from pathlib import Path
from textwrap import shorten

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from digit_core.decode import Calibration
from digit_core.hand_size import ADULT_HAND_SIZE_M
from digit_core.network import MODELS, build_model
from digit_core.network.checkpoint import NAME_LENGTH, CheckpointError, check_plain
from digit_core.network.checkpoint import load_model as load_bare_model

BUNDLED = Path(__file__).parent / "weights" / "digit_lite.safetensors"
POSE, DETECTOR = "pose.", "detector."
_COMPLAINT_LENGTH = 160
#: What numbers of the metadata may be; all others are a calibration's, which are about 1.
_RANGES = {"hand_size_m": (0.05, 0.4), "sigma_gain": (0.0, 1000.0)}
_ABOUT_ONE = (-1000.0, 1000.0)

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Networks:
    """The networks of an estimator, in eval mode on one device.

    Attributes:
        pose: crops (B, 3, 256, 256) float RGB in [0, 1] to `DigitOutput`.
        detector: letterboxed frames (B, 3, S, S), S = DETECTOR_SIZE, to `DetectorOutput`.
        name: the pose network's name in `digit_core.network.MODELS`.
        weights: the file's name, for people.
        device: where both are.
        hand_size_m: size of the hands whose depths the pose network tells.
        calibration: of the pose network's deviations.
    """

    pose: nn.Module
    detector: nn.Module
    name: str
    weights: str
    device: torch.device
    hand_size_m: float = ADULT_HAND_SIZE_M
    calibration: Calibration = Calibration()


def load_networks(
    weights: PathLike | None = None, device: str | torch.device | None = None
) -> Networks:
    """Load both networks.

    Args:
        weights: None for the bundled file; a file in its form (keys `pose.` and `detector.`); or
            any file that `digit_core.network.checkpoint.load_model` reads, beside which the
            bundled detector serves.
        device: None for the best there is.

    Raises:
        CheckpointError: a file is missing, damaged or of another network.
        ValueError: the device is unknown or not there.
    """
    where = best_device(device)
    path = BUNDLED if weights is None else Path(weights)
    metadata, state = read_bundle(path)
    if state is None:
        pose, name = load_bare_model(path, "cpu"), metadata.get("model", "digit")
    else:
        name = metadata.get("model", "digit-lite")
        pose = _fill(path, _build(path, name), state, POSE)
    detector = _load_detector(path, state)
    return Networks(
        pose=_ready(pose, where),
        detector=_ready(detector, where),
        name=name,
        weights=path.name,
        device=where,
        hand_size_m=_number(path, metadata, "hand_size_m", ADULT_HAND_SIZE_M),
        calibration=_calibration(path, metadata),
    )


def _calibration(path: Path, metadata: dict[str, str]) -> Calibration:
    default = Calibration()
    names = [field.name for field in fields(Calibration)]
    return Calibration(**{n: _number(path, metadata, n, getattr(default, n)) for n in names})


def _number(path: Path, metadata: dict[str, str], name: str, default: float) -> float:
    """A number of the metadata; NaN lies in no range."""
    text = metadata.get(name, str(default))
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    lowest, highest = _RANGES.get(name, _ABOUT_ONE)
    if not lowest <= number <= highest:
        raise CheckpointError(
            f"{path}: its {name} is {text[:NAME_LENGTH]!r}; "
            f"expected a number from {lowest:g} to {highest:g}"
        )
    return number


def load_model(weights: PathLike | None = None, device: str | torch.device = "cpu") -> nn.Module:
    """The bare pose network of a weights file, in eval mode.

    Args:
        weights: as for `load_networks`.
        device: where it goes.

    Returns:
        images (B, 3, 256, 256) float32 RGB in [0, 1] to `DigitOutput`.

    Raises:
        CheckpointError: the file is missing, damaged or of another network.
    """
    path = BUNDLED if weights is None else Path(weights)
    metadata, state = read_bundle(path)
    if state is None:
        return load_bare_model(path, device)
    pose = _build(path, metadata.get("model", "digit-lite"))
    return _fill(path, pose, state, POSE).eval().to(device)


def best_device(device: str | torch.device | None = None) -> torch.device:
    """The device asked for, or CUDA where it is, else the CPU.

    Raises:
        ValueError: the device is unknown or not there.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"device {str(device)!r} is not available; expected cpu or cuda"
        ) from error
    return found


def _load_detector(path: Path, state: dict[str, Tensor] | None) -> nn.Module:
    from digit_core.network.detector import HandDetector

    if state is None or not any(key.startswith(DETECTOR) for key in state):
        path = BUNDLED
        _, state = read_bundle(BUNDLED)
    if state is None:
        raise CheckpointError(f"{path}: holds no detector")
    return _fill(path, HandDetector(), state, DETECTOR)


def read_bundle(path: Path) -> tuple[dict[str, str], dict[str, Tensor] | None]:
    """Metadata and tensors of a file in the bundled form; None for tensors in any other form.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    if not path.is_file():
        bundled = " (the bundled weights: reinstall the package)" if path == BUNDLED else ""
        raise CheckpointError(f"{path}: no such weights file{bundled}")
    if path.suffix != ".safetensors":
        return {}, None
    try:
        with safe_open(path, framework="pt") as file:
            metadata, keys = file.metadata() or {}, list(file.keys())
            if not any(key.startswith(POSE) for key in keys):
                return metadata, None
            state = {key: file.get_tensor(key) for key in keys}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged or no .safetensors file") from error
    check_plain(path, state)
    return metadata, state


def _build(path: Path, name: str) -> nn.Module:
    if name not in MODELS:
        raise CheckpointError(
            f"{path}: holds a network {name[:NAME_LENGTH]!r}; expected one of {', '.join(MODELS)}"
        )
    return build_model(name)


def _fill(path: Path, model: nn.Module, state: dict[str, Tensor], prefix: str) -> nn.Module:
    """Copy the tensors under a prefix into a network; 16-bit ones become its float32."""
    own = {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
    if not all(bool(value.isfinite().all()) for value in own.values()):
        raise CheckpointError(f"{path}: holds weights that are not finite")
    try:
        model.load_state_dict(own)
    except RuntimeError as error:
        # torch's second line is the first complaint, with every key that there is.
        first = shorten(" ".join(str(error).splitlines()[1:2]), _COMPLAINT_LENGTH)
        raise CheckpointError(f"{path}: does not fit {type(model).__name__}: {first}") from error
    return model


def _ready(model: nn.Module, device: torch.device) -> nn.Module:
    model = model.eval().requires_grad_(False).to(device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in stubs
    return model
