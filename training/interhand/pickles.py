# SPDX-License-Identifier: Apache-2.0
"""Foreign pickles (the release's annotation files, MANO's models) read without running code."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from training.interhand.errors import DataError

#: Numpy's constructors by the names that its versions gave them.
_NUMPY = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): lambda text, encoding: text.encode(encoding),
}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _NUMPY[(_module, "_reconstruct")] = np.empty(0).__reduce__()[0]  # type: ignore[assignment]
    _NUMPY[(_module, "scalar")] = np.float32(0).__reduce__()[0]  # type: ignore[assignment]


class Inert:
    """Stands for an object of a foreign class: keeps what was stored, does nothing.

    Attributes:
        stored: the attributes that the pickle gives it.
    """

    stored: dict[str, Any]

    def __new__(cls, *_: Any, **__: Any) -> "Inert":
        """Whatever it is built from."""
        instance = super().__new__(cls)
        instance.stored = {}
        return instance

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.stored = dict(state) if isinstance(state, dict) else {"state": state}


class _Restricted(pickle._Unpickler):
    """Python's own unpickler in Python: a number of five bytes makes the one in C take 30 GB."""

    # Takes as much room as it says, before a byte of it is read.
    dispatch = {k: v for k, v in pickle._Unpickler.dispatch.items() if k != pickle.BYTEARRAY8[0]}

    def __init__(self, file: io.BufferedIOBase, path: Path, inert: tuple[str, ...]) -> None:
        super().__init__(file, encoding="latin1")
        self.path, self.inert = path, inert

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _NUMPY:
            return _NUMPY[(module, name)]
        if module.split(".")[0] in self.inert:
            return Inert
        if (module, name) == ("copy_reg", "_reconstructor"):
            return lambda cls, base, state: cls() if cls is Inert else _refuse(self.path, str(cls))
        return _refuse(self.path, f"{module}.{name}")


def _refuse(path: Path, name: str) -> Any:
    raise DataError(
        f"{path}: wants {name}; expected plain containers, numbers and numpy arrays, and "
        "refuses to run anything else"
    )


def read_pickle(path: Path, inert: tuple[str, ...] = ()) -> Any:
    """What a pickle holds, of plain containers, numbers and numpy arrays alone.

    Args:
        path: the file.
        inert: packages whose objects become `Inert`, such as ("chumpy", "scipy").

    Raises:
        DataError: the file is missing, damaged, or wants anything else.
    """
    try:
        with path.open("rb") as file:
            return _Restricted(file, path, inert).load()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except DataError:
        raise
    except Exception as error:  # damaged pickles raise whatever their bytes make them
        raise DataError(f"{path}: damaged or no pickle ({error})") from error
