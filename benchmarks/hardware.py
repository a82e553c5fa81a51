# SPDX-License-Identifier: Apache-2.0
"""What a benchmark's figures belong to: the machine and what ran on it."""

import platform
from importlib import metadata
from pathlib import Path

import torch

_CPUINFO = Path("/proc/cpuinfo")


def hardware(device: torch.device) -> dict:
    """Names of device and processor, and the versions of what computes."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "processor": _processor(),
        "torch": torch.__version__,
        "openvino": _version("openvino"),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
    }


def _version(package: str) -> str | None:
    """The version of an installed package; None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    """The processor's own name, with family and model where virtual machines hide the name."""
    try:
        lines = [line.partition(":") for line in _CPUINFO.read_text().splitlines()]
    except OSError:
        return platform.processor() or platform.machine()
    rows = {name.strip(): value.strip() for name, _, value in reversed(lines)}
    numbers = (f"{key} {rows[key]}" for key in ("cpu family", "model") if key in rows)
    return ", ".join(filter(None, (rows.get("model name"), *numbers))) or platform.machine()
