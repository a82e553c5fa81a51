# SPDX-License-Identifier: Apache-2.0
"""What is done so far of a recording, on disk: records that are appended, each whole or not there.

A record is its length and checksum and a pickle; a torn one at the end, of a run that was killed,
is cut off when the journal is opened again. Somebody else's journal cannot run code: its pickles
are read by `digit_ros.bag.unpickle`.
"""

import fcntl
import pickle
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from digit_ros.bag.errors import BagError
from digit_ros.bag.unpickle import PROTOCOL, unpickle

_FRAME = struct.Struct("<II")


@dataclass(frozen=True)
class Record:
    """What one image gave.

    Attributes:
        camera: its image topic.
        messages: (topic, type, CDR) in the order of writing; none for an image that is bad.
        state: of the camera's tracker and hold afterwards.
        fault: why the image could not be used; empty when it could.
    """

    camera: str
    messages: list[tuple[str, str, bytes]]
    state: dict[str, Any]
    fault: str = ""


class Journal:
    """Appends records, and gives back those of the runs before.

    Attributes:
        done: image topic -> places in the file of its records, in order.
        last: image topic -> its last record.
        faults: why images could not be used.
    """

    def __init__(self, path: Path, key: dict[str, Any]) -> None:
        """Open or begin the journal of the run that `key` tells from others.

        Raises:
            BagError: another process is at it, it cannot be written, or it is not ours.
        """
        self._path = path
        self.done: dict[str, list[int]] = {}
        self.last: dict[str, Record] = {}
        self.faults: list[str] = []
        try:
            self._file = path.open("a+b")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BagError(f"{path.parent}: another run is writing it") from error
        except OSError as error:
            raise BagError(f"{path}: cannot be written: {error.strerror}") from error
        self._resume(key)

    def _resume(self, key: dict[str, Any]) -> None:
        """Read the records of a run with the same key; begin afresh after another."""
        self._file.seek(0)
        end = 0
        if self._read() == key:
            end = self._file.tell()
            while isinstance(record := self._read(), Record):
                self._note(record, end)
                end = self._file.tell()
        self._file.truncate(end)
        self._file.seek(end)
        if end == 0:
            self._write(key)

    def append(self, record: Record) -> None:
        """Add a record; it is on its way to the disk afterwards, whatever happens to us.

        Raises:
            BagError: it cannot be written; what was written before is kept.
        """
        place = self._file.seek(0, 2)
        self._write(record)
        self._note(record, place)

    def read(self, place: int) -> Record:
        """The record at a place of `done`."""
        self._file.seek(place)
        record: Record = self._read()
        return record

    def close(self) -> None:
        """Let others have it."""
        self._file.close()

    def _note(self, record: Record, place: int) -> None:
        self.done.setdefault(record.camera, []).append(place)
        self.last[record.camera] = record
        if record.fault:
            self.faults.append(record.fault)

    def _write(self, content: object) -> None:
        data = pickle.dumps(content, PROTOCOL)
        try:
            self._file.write(_FRAME.pack(len(data), zlib.crc32(data)) + data)
            self._file.flush()
        except OSError as error:
            raise BagError(
                f"{self._path}: cannot be written: {error.strerror}; what is estimated so far is"
                " kept, and the same command goes on from there"
            ) from error

    def _read(self) -> Any:
        """What stands here; None where it ends or is torn."""
        head = self._file.read(_FRAME.size)
        if len(head) < _FRAME.size:
            return None
        length, checksum = _FRAME.unpack(head)
        data = self._file.read(length)
        # Zeros, which a power cut leaves, would pass as an empty record.
        if not data or len(data) < length or zlib.crc32(data) != checksum:
            return None
        try:
            return unpickle(data)
        except pickle.UnpicklingError as error:
            raise BagError(
                f"{self._path}: is no journal of this program's ({error}); delete it to begin anew"
            ) from error
