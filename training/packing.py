# SPDX-License-Identifier: Apache-2.0
"""Filling an LMDB so that a killed run goes on where it stopped."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb
from tqdm import tqdm

from training.interhand.errors import DataError
from training.interhand.packed import PackedFile

MAP_SIZE = 1 << 42  # address space; the file grows as it is filled
COMMIT = 256  # items a transaction: what a killed run has to do again


def missing(path: Path, keys: list[str], title: str) -> Iterator[str]:
    """The keys that the LMDB in a folder lacks, under a progress bar with `title`."""
    path.mkdir(parents=True, exist_ok=True)
    PackedFile(path).check()
    with lmdb.open(str(path), map_size=MAP_SIZE) as environment, environment.begin() as transaction:
        absent = [key for key in keys if transaction.get(key.encode()) is None]
    yield from tqdm(
        absent, desc=title, unit="picture", total=len(keys), initial=len(keys) - len(absent)
    )


def fill(path: Path, values: Iterator[tuple[str, bytes]]) -> int:
    """Write in transactions of `COMMIT`: a killed run loses no more than one. Gives how many."""
    count, pending = 0, []
    for pair in values:
        pending.append(pair)
        if len(pending) == COMMIT:
            count += _commit(path, pending)
            pending = []
    return count + _commit(path, pending)


def renew(path: Path, keys: list[str], stamp_key: str, stamp: str) -> bool:
    """Take out what was made from something else than `stamp` says; gives whether that was so.

    Entries without any stamp are somebody else's and stay.
    """
    path.mkdir(parents=True, exist_ok=True)
    name, value = stamp_key.encode(), stamp.encode()
    with _writing(path) as transaction:
        known = transaction.get(name)
        if known == value:
            return False
        if known is None and any(transaction.get(key.encode()) is not None for key in keys):
            return False
        for key in keys:
            transaction.delete(key.encode())
        transaction.put(name, value)
    return known is not None


def rewrite(path: Path, keys: list[str], title: str, change: Callable[[bytes], bytes]) -> int:
    """Replace the values that `change` changes, in transactions of `COMMIT`. Gives how many."""
    count = 0
    bar = tqdm(total=len(keys), desc=title, unit="picture")
    for start in range(0, len(keys), COMMIT):
        some = [key.encode() for key in keys[start : start + COMMIT]]
        with _writing(path) as transaction:
            for key in some:
                before = transaction.get(key)
                after = None if before is None else change(bytes(before))
                if after is not None and after != before:
                    transaction.put(key, after)
                    count += 1
        bar.update(len(some))
    bar.close()
    return count


@contextmanager
def _writing(path: Path) -> Iterator[lmdb.Transaction]:
    """One transaction: all of it is there afterwards, or none.

    Raises:
        DataError: it cannot be written.
    """
    PackedFile(path).check()
    try:
        with (
            lmdb.open(str(path), map_size=MAP_SIZE) as environment,
            environment.begin(write=True) as transaction,
        ):
            yield transaction
    except lmdb.Error as error:
        raise DataError(
            f"{path}: cannot be written ({error}); is the disk full? What it has stays; "
            "the same command goes on from there"
        ) from error


def _commit(path: Path, pairs: list[tuple[str, bytes]]) -> int:
    path.mkdir(parents=True, exist_ok=True)
    with _writing(path) as transaction:
        for key, value in pairs:
            transaction.put(key.encode(), value)
    return len(pairs)
