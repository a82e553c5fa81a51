# SPDX-License-Identifier: Apache-2.0
"""Packed pictures and masks: broken values, a damaged data.mdb; our PNG decoder beside OpenCV."""

import json
import shutil
import struct
import zlib

import cv2
import lmdb
import numpy as np
import pytest
from fuzzing import EXTREMES, Reader, damaged, tried
from hypothesis import given
from hypothesis import strategies as st

from training.interhand.pictures import IMAGES, LABELS

RNG = np.random.default_rng(0)
WIDTH, HEIGHT = 64, 48
KEYS = [f"val/Capture0/0000_rendered/cam{400000 + i}/image{i}.jpg" for i in range(60)]
PICTURE = RNG.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
MASK = np.repeat(RNG.integers(0, 33, (HEIGHT, 8), np.uint8), 8, axis=1)
JPEG = cv2.imencode(".jpg", PICTURE)[1].tobytes()
PNG = cv2.imencode(".png", PICTURE)[1].tobytes()
MASK_PNG = cv2.imencode(".png", MASK)[1].tobytes()
MASK_PNG_3 = cv2.imencode(".png", cv2.merge([MASK] * 3))[1].tobytes()


def pack(folder, values):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with lmdb.open(str(folder), map_size=1 << 24) as environment:
        with environment.begin(write=True) as transaction:
            for key, value in values:
                transaction.put(key.encode(), value)
    (folder / "lock.mdb").unlink()


class Packed:
    """A data set's LMDBs; many small values make pages of pages, large ones pages of their own."""

    def __init__(self, root, keys=KEYS):
        self.root, self.images, self.labels = root, root / IMAGES, root / LABELS
        pack(self.images, [(key, JPEG if i % 2 else PNG) for i, key in enumerate(keys)])
        pack(self.labels, [(key.replace("jpg", "png"), MASK_PNG) for key in keys])
        (root / "keys.json").write_text(json.dumps(keys))
        self.good = {f: (f / "data.mdb").read_bytes() for f in (self.images, self.labels)}

    def spoil(self, folder, data):
        for place, good in self.good.items():
            # A new file, as the old one is still in the reader's memory.
            (place / "data.mdb").unlink()
            (place / "data.mdb").write_bytes(data if place == folder else good)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    return Packed(tmp_path_factory.mktemp("packed"))


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    good = tmp_path_factory.mktemp("good")
    Packed(good)
    reader = Reader("pictures", good)
    yield reader
    reader.close()


@tried(0.5)
@given(data=st.data())
def test_data_mdb(packed, reader, data):
    folder = data.draw(st.sampled_from([packed.images, packed.labels]))
    packed.spoil(folder, data.draw(damaged([packed.good[folder]])))
    reader.check(packed.root)


PAGE = 4096


@tried(0.5)
@given(data=st.data())
def test_pages_of_data_mdb(packed, reader, data):
    """Words of the pages' heads and of what stands in them, where damage bites most."""
    folder = data.draw(st.sampled_from([packed.images, packed.labels]))
    content = bytearray(packed.good[folder])
    for _ in range(data.draw(st.integers(1, 4))):
        page = data.draw(st.integers(0, len(content) // PAGE - 1))
        size = data.draw(st.sampled_from([2, 2, 4, 8]))
        place = page * PAGE + size * data.draw(st.integers(0, PAGE // size // 2 - 1))
        word = data.draw(st.one_of(st.sampled_from(EXTREMES), st.integers(0, 2**16))) % 2 ** (
            8 * size
        )
        content[place : place + size] = word.to_bytes(size, "little")
    packed.spoil(folder, bytes(content))
    reader.check(packed.root)


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    return tmp_path_factory.mktemp("single")


@tried(0.5)
@given(image=damaged([JPEG, PNG]), mask=damaged([MASK_PNG, MASK_PNG_3]))
def test_values(single, reader, image, mask):
    key = KEYS[0]
    pack(single / IMAGES, [(key, image)])
    pack(single / LABELS, [(key.replace("jpg", "png"), mask)])
    (single / "keys.json").write_text(json.dumps([key]))
    reader.check(single)


@pytest.fixture(scope="module")
def png(tmp_path_factory):
    good = tmp_path_factory.mktemp("png") / "good.png"
    good.write_bytes(PNG)
    reader = Reader("png", good)
    yield reader
    reader.close()


def chunk(kind, content):
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


@st.composite
def a_png(draw):
    """A PNG whose header need not say what its rows are, checksums right."""
    width, height = draw(st.integers(0, 9)), draw(st.integers(0, 9))
    depth, kind = draw(st.sampled_from([8, 8, 8, 1, 16])), draw(st.sampled_from([0, 2, 2, 3, 4, 6]))
    rows = draw(st.binary(max_size=300))
    if draw(st.booleans()):
        row = 1 + width * {0: 1, 2: 3}.get(kind, 1)
        rows = b"".join(b"\1" + bytes([7] * (row - 1)) for _ in range(height))
    told = draw(st.one_of(st.just((width, height)), st.tuples(*[st.sampled_from(EXTREMES)] * 2)))
    head = struct.pack(">IIBBBBB", *(n % 2**32 for n in told), depth, kind, 0, 0, 0)
    stream = zlib.compress(rows)
    cut = draw(st.one_of(st.none(), st.none(), st.integers(0, len(stream))))
    parts = [chunk(b"IHDR", head), chunk(b"IDAT", stream[:cut]), chunk(b"IEND", b"")]
    for _ in range(draw(st.integers(0, 2))):
        parts.insert(draw(st.integers(0, len(parts))), draw(st.sampled_from(parts)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@tried(1)
@given(value=st.one_of(damaged([PNG, MASK_PNG, MASK_PNG_3]), a_png()))
def test_png_as_opencv(tmp_path_factory, png, value):
    path = png.good.with_name("spoiled.png")
    path.write_bytes(value)
    assert png.check(path)["kind"] == "answered"
