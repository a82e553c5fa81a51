# SPDX-License-Identifier: Apache-2.0
"""Our reading of LMDB files beside lmdb's own, and what damage does; found by fuzzing."""

import os
import pickle

import lmdb
import numpy as np
import pytest

from training.interhand.errors import DataError
from training.interhand.packed import PackedFile

PAGE = 4096


def fill(folder, pairs):
    folder.mkdir(exist_ok=True)
    with lmdb.open(str(folder), map_size=1 << 28) as environment:
        with environment.begin(write=True) as transaction:
            for key, value in pairs.items():
                transaction.put(key.encode(), value)
    return folder


def some(count, seed=0):
    """Values from nothing to several pages under keys of several lengths."""
    rng = np.random.default_rng(seed)
    sizes = rng.choice([0, 1, 30, 1500, 2037, 2038, 2039, 2040, 4079, 4080, 9000], count)
    return {f"split/{'x' * (i % 40)}{i:05d}": rng.bytes(size) for i, size in enumerate(sizes)}


@pytest.mark.parametrize("count", [0, 1, 7, 3000])
def test_every_value_is_the_one_of_lmdb(tmp_path, count):
    pairs = some(count)
    packed = PackedFile(fill(tmp_path / "a", pairs))
    assert all(packed.get(key) == value for key, value in pairs.items())
    for missing in ("", "a", "zzz", "split/00000", "split/x99999"):
        assert packed.get(missing) == pairs.get(missing)


def test_values_that_came_later_are_seen(tmp_path):
    first, second = some(50), some(60, seed=1)
    folder = fill(tmp_path / "a", first)
    packed = PackedFile(folder)
    assert packed.get("split/00000") == first["split/00000"]
    fill(folder, second)
    assert all(packed.get(key) == value for key, value in second.items())


def test_it_may_be_sent_to_another_process(tmp_path):
    packed = PackedFile(fill(tmp_path / "a", {"a": b"1"}))
    assert packed.get("a") == b"1"
    assert pickle.loads(pickle.dumps(packed)).get("a") == b"1"


@pytest.mark.parametrize("kept", [0, 10, 100, PAGE, 2 * PAGE, 0.5, -1])
def test_a_file_that_is_cut_off(tmp_path, kept):
    """lmdb maps it and the process dies of SIGBUS."""
    folder = fill(tmp_path / "a", some(300))
    size = (folder / "data.mdb").stat().st_size
    kept = int(kept * size) if isinstance(kept, float) else kept % size
    os.truncate(folder / "data.mdb", kept)
    with pytest.raises(DataError, match="a: no LMDB, or damaged .*cut off"):
        PackedFile(folder).get("split/00000")
    with pytest.raises(DataError, match="cut off"):
        PackedFile(folder).check()


def test_any_word_may_lie(tmp_path):
    """lmdb followed a length of a value out of the file and died of SIGBUS."""
    pairs = some(40)
    folder = fill(tmp_path / "a", pairs)
    good, rng = (folder / "data.mdb").read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        data = bytearray(good)
        place = int(rng.integers(len(data) // PAGE)) * PAGE + int(rng.integers(0, 300)) * 2
        data[place : place + 4] = b"\xff\xff\xff\x7f"
        (folder / "data.mdb").write_bytes(data)
        packed = PackedFile(folder)
        for key in pairs:
            try:
                packed.get(key)
            except DataError as error:
                assert str(folder) in str(error)
                refused += 1
    assert refused


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(DataError, match="a: cannot be read"):
        PackedFile(tmp_path / "a").get("a")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "data.mdb").write_bytes(bytes(3 * PAGE))
    with pytest.raises(DataError, match="its head is no LMDB's"):
        PackedFile(tmp_path / "a").get("a")
