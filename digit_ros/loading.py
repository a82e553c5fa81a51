# SPDX-License-Identifier: Apache-2.0
"""The estimator that a node's or a recording's parameters ask for."""

from digit_core.estimator import DigitEstimator
from digit_ros.parameters import Parameters


def load_estimator(parameters: Parameters) -> DigitEstimator:
    """Load the weights on the device and in the precision that were asked for.

    Raises:
        ValueError: weights, device or precision cannot be used; the sentence says why.
    """
    device = None if parameters.device == "auto" else parameters.device
    return _load(parameters, device, parameters.precision)


def load_cpu_estimator(parameters: Parameters) -> DigitEstimator:
    """The same on the CPU, for when the device's memory is short.

    Raises:
        ValueError: the weights cannot be used; the sentence says why.
    """
    # A CPU does not compute in fp16.
    precision = "auto" if parameters.precision == "fp16" else parameters.precision
    return _load(parameters, "cpu", precision)


def _load(parameters: Parameters, device: str | None, precision: str) -> DigitEstimator:
    return DigitEstimator.load(parameters.weights or None, device, precision=precision)
