# SPDX-License-Identifier: Apache-2.0
"""Arrays as lists of numbers that JSON can hold, and back, to the last bit."""

from typing import Any

import numpy as np


def plain(values: np.ndarray | float) -> Any:
    """Numbers as JSON has them: lists in lists of floats, None for what is not finite."""
    numbers = np.asarray(values, dtype=np.float64)
    told = numbers.astype(object)
    told[~np.isfinite(numbers)] = None
    return told.tolist()


def array_of(
    values: object, shape: tuple[int, ...], name: str, *, finite: bool = False
) -> np.ndarray:
    """The array that `plain` told; None becomes NaN.

    Args:
        values: lists in lists of numbers.
        shape: what it must have.
        name: of the values, for the error.
        finite: whether every number must be there.

    Returns:
        `shape` float64.

    Raises:
        ValueError: other things than numbers, or another shape.
    """
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name}: expected numbers of shape {shape}") from error
    if array.shape != shape:
        raise ValueError(f"{name}: expected numbers of shape {shape}, got {array.shape}")
    if finite and not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers")
    return array


def number_of(value: object, name: str) -> float:
    """The float that `plain` told; None becomes NaN.

    Raises:
        ValueError: it is no number.
    """
    return float(array_of(value, (), name))
