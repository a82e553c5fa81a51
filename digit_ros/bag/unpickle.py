# SPDX-License-Identifier: Apache-2.0
"""The journal's pickles read without running code: a tracker's state, arrays, plain containers."""

import importlib
import io
import pickle
from typing import Any

import numpy as np

#: Whose classes a tracker's state is made of; none of them does anything when it is built.
_MODULES = (
    "digit_core.depth",
    "digit_core.hand_size",
    "digit_core.hands",
    "digit_core.one_euro",
    "digit_core.settings",
    "digit_core.size_learner",
    "digit_core.smoothing",
    "digit_core.tracker",
    "digit_ros.bag.journal",
)
#: So that every Python and NumPy names the same few constructors of arrays.
PROTOCOL = 4
_NUMPY = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _NUMPY[(_module, "_reconstruct")] = np.empty(0).__reduce__()[0]  # type: ignore[assignment]
    _NUMPY[(_module, "scalar")] = np.float32(0).__reduce__()[0]  # type: ignore[assignment]


class _Restricted(pickle._Unpickler):
    """Python's own unpickler in Python: a number of five bytes makes the one in C take 30 GB."""

    # Takes as much room as it says, before a byte of it is read.
    dispatch = {k: v for k, v in pickle._Unpickler.dispatch.items() if k != pickle.BYTEARRAY8[0]}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _NUMPY:
            return _NUMPY[(module, name)]
        if module in _MODULES:
            # Not getattr along a dotted name: that would reach what the module imports.
            found = vars(importlib.import_module(module)).get(name)
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise pickle.UnpicklingError(f"it wants {module}.{name}")


def unpickle(data: bytes) -> Any:
    """What a pickle of the journal holds.

    Raises:
        pickle.UnpicklingError: it is damaged, or wants anything that a journal never holds.
    """
    try:
        return _Restricted(io.BytesIO(data)).load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # foreign bytes make pickle raise whatever they like
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from error
