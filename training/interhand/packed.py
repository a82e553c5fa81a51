# SPDX-License-Identifier: Apache-2.0
"""Values of an LMDB by their keys, read so that a damaged file is an error and never the end of us.

The lmdb package maps a file into memory and believes it: a data.mdb that is cut off, or in which a
length lies, kills the process (SIGBUS). Here the few pages from root to leaf are read one by one
and every place in them is checked. The format: LMDB 0.9, `MDB_page` and `MDB_node` in mdb.c, as
64-bit little-endian machines write it.
"""

import os
import struct
from bisect import bisect_right
from pathlib import Path
from typing import NamedTuple

from training.interhand.errors import DataError

_MAGIC, _VERSION = 0xBEEFC0DE, 1
_PAGE = struct.Struct("<10xHH2x")  # flags, end of the list of the nodes' places
_NODE = struct.Struct("<HHHH")  # two halves of a length or page number, flags, length of the key
#: Magic, version, size of a page; flags and root of the main tree; last page, transaction.
_META = struct.Struct("<16xII16xI44x4xH34xQQQ")
_BRANCH, _LEAF, _OVERFLOW = 1, 2, 4
_IN_OTHER_PAGES = 1  # flag of a leaf's node
_NOTHING = 2**64 - 1
_DEEPEST = 32
_PAGE_SIZES = [1 << n for n in range(9, 17)]


class _Damaged(Exception):
    """What is wrong, without the file's name."""


class _Meta(NamedTuple):
    page_size: int
    flags: int
    root: int
    last_page: int
    transaction: int


class PackedFile:
    """The LMDB in a folder, opened when it is first read.

    It may be read after a fork, and by another process at once that writes it with lmdb, as far
    as lmdb itself allows that without a lock: values that were there before may be missed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._file = folder, -1

    def get(self, key: str) -> bytes | None:
        """The value of a key; None where there is none.

        Raises:
            DataError: the file is missing or damaged.
        """
        try:
            if self._file < 0:
                self._file = os.open(self.folder / "data.mdb", os.O_RDONLY)
            return self._find(key.encode())
        except OSError as error:
            raise DataError(f"{self.folder}: cannot be read: {error.strerror}") from error
        except (_Damaged, struct.error, IndexError) as error:
            raise DataError(
                f"{self.folder}: no LMDB, or damaged ({error}); copy it again, or delete it and "
                "run `python -m training.prepare`"
            ) from error

    def check(self) -> None:
        """Look at head and length, as before the file is given to lmdb, which does not.

        Raises:
            DataError: the file is damaged.
        """
        if (self.folder / "data.mdb").exists():
            self.get("a")

    def __getstate__(self) -> dict:
        return {"folder": self.folder, "_file": -1}

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)

    def _find(self, key: bytes) -> bytes | None:
        meta = self._meta()
        if meta.root == _NOTHING:
            return None
        number = meta.root
        for _ in range(_DEEPEST):
            page = self._read(number * meta.page_size, meta.page_size)
            flags, end = _PAGE.unpack_from(page)
            places = struct.unpack_from(f"<{(end - _PAGE.size) // 2}H", page, _PAGE.size)
            if flags & _LEAF:
                return self._value(meta, page, places, key)
            if not flags & _BRANCH or not places:
                break
            # The first key of a branch stands for all that are smaller.
            index = bisect_right(places, key, lo=1, key=lambda place: _key(page, place)) - 1
            low, high, top, _ = _NODE.unpack_from(page, places[index])
            number = low | high << 16 | top << 32
        raise _Damaged("a page is of another kind than belongs there")

    def _value(self, meta: _Meta, page: bytes, places: tuple[int, ...], key: bytes) -> bytes | None:
        index = bisect_right(places, key, key=lambda place: _key(page, place)) - 1
        if index < 0 or _key(page, places[index]) != key:
            return None
        low, high, flags, key_length = _NODE.unpack_from(page, places[index])
        length, start = low | high << 16, places[index] + _NODE.size + key_length
        if flags == 0:
            return _part(page, start, length)
        if flags != _IN_OTHER_PAGES:
            raise _Damaged("it holds several values for a key")
        (number,) = struct.unpack_from("<Q", page, start)
        head = self._read(number * meta.page_size, _PAGE.size)
        if not _PAGE.unpack(head)[0] & _OVERFLOW:
            raise _Damaged("a value is not where it should be")
        return self._read(number * meta.page_size + _PAGE.size, length)

    def _meta(self) -> _Meta:
        """The newer of the two heads."""
        first = self._meta_at(0)
        newest = max(first, self._meta_at(first.page_size), key=lambda meta: meta.transaction)
        if os.fstat(self._file).st_size < (newest.last_page + 1) * newest.page_size:
            raise _Damaged("it is cut off")
        if newest.flags:
            raise _Damaged("its keys are not in the usual order")
        return newest

    def _meta_at(self, place: int) -> _Meta:
        magic, version, *rest = _META.unpack(self._read(place, _META.size))
        meta = _Meta(*rest)
        if (magic, version) != (_MAGIC, _VERSION) or meta.page_size not in _PAGE_SIZES:
            raise _Damaged("its head is no LMDB's")
        return meta

    def _read(self, place: int, length: int) -> bytes:
        # Asked first, as room for all that is asked for would be taken.
        if place + length > os.fstat(self._file).st_size:
            raise _Damaged("it is cut off")
        return os.pread(self._file, length, place)


def _key(page: bytes, place: int) -> bytes:
    return _part(page, place + _NODE.size, _NODE.unpack_from(page, place)[3])


def _part(page: bytes, start: int, length: int) -> bytes:
    if start + length > len(page):
        raise _Damaged("an entry does not fit into its page")
    return page[start : start + length]
