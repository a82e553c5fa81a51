# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that are whole or not there, whatever happens while they are written."""

import os
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO


class WholeCheckpoints(TorchCheckpointIO):
    """Writes beside the place and moves the file there.

    Lightning writes into the system's temporary folder and copies from there: a full disk or a
    killed process would leave half a file in the place of the last good one.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write a checkpoint.

        Raises:
            OSError: it cannot be written; what was there before stays.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.part")
        try:
            with unfinished.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, path)
        except (OSError, RuntimeError) as error:  # torch's writer raises its own
            raise OSError(
                f"{path}: cannot be written ({_reason(error)}); the checkpoints before it are whole"
            ) from error
        finally:
            unfinished.unlink(missing_ok=True)


def _reason(error: BaseException) -> str:
    """What the system said: torch's writer complains of its own file when that fails."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(error).splitlines()[0]
