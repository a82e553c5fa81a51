# SPDX-License-Identifier: Apache-2.0
"""What is done so far of a recording, on disk: records that are appended, each whole or not there.

The first frame is the run's key, every later one a record. A frame is its length and checksum, a
line of JSON, and the bytes of the messages that the line tells of. A torn one at the end, of a run
that was killed, is cut off when the journal is opened again.
"""

import fcntl
import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from digit_ros.bag.errors import BagError

_FRAME = struct.Struct("<II")
T = TypeVar("T")
#: Topic, type, CDR.
Message = tuple[str, str, bytes]


@dataclass(frozen=True)
class Record:
    """What one image gave.

    Attributes:
        camera: its image topic.
        messages: (topic, type, CDR) in the order of writing; none for an image that is bad.
        state: the camera's afterwards, as `CameraPipeline.to_dict` tells it.
        fault: why the image could not be used; empty when it could.
    """

    camera: str
    messages: list[Message]
    state: dict[str, Any]
    fault: str = ""

    def to_bytes(self) -> bytes:
        """A line of JSON and the messages' CDR."""
        head = {
            "camera": self.camera,
            "fault": self.fault,
            "messages": [(topic, kind, len(cdr)) for topic, kind, cdr in self.messages],
            "state": self.state,
        }
        line = json.dumps(head, allow_nan=False).encode()
        return b"\n".join([line, b"".join(cdr for _, _, cdr in self.messages)])

    @classmethod
    def from_bytes(cls, data: bytes) -> "Record":
        """The record that `to_bytes` told.

        Raises:
            ValueError: it is none.
        """
        line, _, body = data.partition(b"\n")
        head, place, messages = _json(line), 0, []
        try:
            for topic, kind, length in head["messages"]:
                messages.append((str(topic), str(kind), body[place : place + length]))
                place += length
            if place != len(body):
                raise ValueError("the messages' lengths do not fit")
            return cls(str(head["camera"]), messages, dict(head["state"]), str(head["fault"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"no record: {error}") from error


def _json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except RecursionError as error:
        raise ValueError("lists in lists without end") from error


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
        end, told = 0, json.dumps(key)
        first = self._frame()
        if first is not None and self._parsed(_json, first) == json.loads(told):
            end = self._file.tell()
            while (data := self._frame()) is not None:
                self._note(self._parsed(Record.from_bytes, data), end)
                end = self._file.tell()
        self._file.truncate(end)
        self._file.seek(end)
        if end == 0:
            self._write(told.encode())

    def append(self, record: Record) -> None:
        """Add a record; it is on its way to the disk afterwards, whatever happens to us.

        Raises:
            BagError: it cannot be written; what was written before is kept.
        """
        place = self._file.seek(0, 2)
        self._write(record.to_bytes())
        self._note(record, place)

    def read(self, place: int) -> Record:
        """The record at a place of `done`."""
        self._file.seek(place)
        return self._parsed(Record.from_bytes, self._frame() or b"")

    def foreign(self, why: object) -> BagError:
        """The error that this journal is not ours."""
        return BagError(
            f"{self._path}: is no journal of this program's ({why}); delete it to begin anew"
        )

    def close(self) -> None:
        """Let others have it."""
        self._file.close()

    def _note(self, record: Record, place: int) -> None:
        self.done.setdefault(record.camera, []).append(place)
        self.last[record.camera] = record
        if record.fault:
            self.faults.append(record.fault)

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(_FRAME.pack(len(data), zlib.crc32(data)) + data)
            self._file.flush()
        except OSError as error:
            raise BagError(
                f"{self._path}: cannot be written: {error.strerror}; what is estimated so far is"
                " kept, and the same command goes on from there"
            ) from error

    def _frame(self) -> bytes | None:
        """The frame that stands here; None where it ends or is torn."""
        head = self._file.read(_FRAME.size)
        if len(head) < _FRAME.size:
            return None
        length, checksum = _FRAME.unpack(head)
        data = self._file.read(length)
        # Zeros, which a power cut leaves, would pass as an empty record.
        if not data or len(data) < length or zlib.crc32(data) != checksum:
            return None
        return data

    def _parsed(self, parse: Callable[[bytes], T], data: bytes) -> T:
        try:
            return parse(data)
        except ValueError as error:
            raise self.foreign(error) from error
