# SPDX-License-Identifier: Apache-2.0
"""The networks, by name."""

from importlib import import_module

from torch import nn

MODELS = {
    # name: (module, class); a network is imported when it is asked for
    "digit": ("digit_core.network.digit", "Digit"),
    "digit-lite": ("digit_core.network.lite", "DigitLite"),
}


def build_model(name: str) -> nn.Module:
    """A network of `MODELS` with fresh weights, in training mode.

    Raises:
        ValueError: there is no network of that name.
    """
    if name not in MODELS:
        raise ValueError(f"network {name!r}: expected one of {', '.join(MODELS)}")
    module, network = MODELS[name]
    built: nn.Module = getattr(import_module(module), network)()
    return built
