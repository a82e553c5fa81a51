# SPDX-License-Identifier: Apache-2.0
"""MediaPipe Hands as a teacher: a process in an environment of its own that answers views."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from digit_core.printable import printable
from training.interhand.errors import DataError
from training.label_photos.looks import Look, Sighting, as_seen

RUNNER = Path(__file__).with_name("mediapipe_hands.py")


def python_of(environment: Path) -> Path:
    """The interpreter of a virtual environment with requirements/mediapipe.txt.

    Raises:
        DataError: there is none.
    """
    path = environment / "bin" / "python"
    if not path.is_file():
        raise DataError(
            f"{environment}: no virtual environment, there is no bin/python in it; "
            "make one with requirements/mediapipe.txt"
        )
    return path


class MediaPipeTeacher:
    """MediaPipe Hands; its process starts with the first view and ends with `close`.

    Args:
        environment: a virtual environment with requirements/mediapipe.txt.

    Raises:
        DataError: there is no such environment.
    """

    def __init__(self, environment: Path) -> None:
        self._environment, self._python = environment, python_of(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._said = tempfile.TemporaryFile()

    def see(self, image: np.ndarray, looks: Sequence[tuple[int, Look]]) -> list[Sighting]:
        """Hands in views of an image (H, W, 3) uint8 RGB; each look comes with its view's number.

        Raises:
            DataError: MediaPipe cannot be run; the sentence says what it said last.
        """
        seen = []
        for number, look in looks:
            for hand in self._answer(look.view.cut(image, 0), look.low):
                seen.append(as_seen(look, number, hand["side"], hand["joints_2d"], hand["world"]))
        return seen

    def close(self) -> None:
        """End the process."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()
        self._process = None

    def _answer(self, rgb: np.ndarray, low: bool) -> list[dict]:
        process = self._started()
        assert process.stdin and process.stdout
        job = {"height": rgb.shape[0], "width": rgb.shape[1], "low": low}
        try:
            process.stdin.write(json.dumps(job).encode() + b"\n" + rgb.tobytes())
            process.stdin.flush()
            return json.loads(process.stdout.readline())
        except (OSError, json.JSONDecodeError) as error:
            raise DataError(
                f"{self._environment}: MediaPipe failed: {self._last_words()}"
            ) from error

    def _started(self) -> subprocess.Popen:
        if self._process is None:
            pipe = subprocess.PIPE
            command = [str(self._python), str(RUNNER), "views"]
            # In a session of its own: an interrupt of the command must not end it half way.
            self._process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=self._said, start_new_session=True
            )
        return self._process

    def _last_words(self) -> str:
        if self._process is not None:
            self._process.kill()  # what it said before its answers ended is there
            self._process.wait()
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return printable(lines[-1]) if lines else "it ended without a word"
