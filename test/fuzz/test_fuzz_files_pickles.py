# SPDX-License-Identifier: Apache-2.0
"""Pickles, MANO's files and predictions: read, or one sentence."""

import io
import json
import pickle
import pickletools
import struct
import zipfile

import numpy as np
import pytest
from fuzzing import EXTREMES, Reader, damaged, hostile, spoiled, tried
from hypothesis import given
from hypothesis import strategies as st

RNG = np.random.default_rng(0)
PLAIN = {"a": [1, 2.5, None, "text"], "b": np.arange(6, dtype=np.float32), "c": {1: (True, b"x")}}
SEEDS = [pickle.dumps(PLAIN, protocol) for protocol in (0, 2, 4)]


class Place:
    """A reader with its good file, and a path for spoiled ones."""

    def __init__(self, name, good, data):
        good.write_bytes(data)
        self.reader, self.path = Reader(name, good), good.with_name(f"spoiled{good.suffix}")

    def check(self, data):
        self.path.write_bytes(data)
        return self.reader.check(self.path)


def placed(name, factory, ending, data):
    place = Place(name, factory.mktemp(name) / f"good.{ending}", data)
    yield place
    place.reader.close()


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    yield from placed("pickled", tmp_path_factory, "pkl", SEEDS[1])


CODES = [code.code.encode("latin1") for code in pickletools.opcodes]
NAMES = [
    b"cnumpy\nndarray\n",
    b"cnumpy\ndtype\n",
    b"cnumpy.core.multiarray\n_reconstruct\n",
    b"cnumpy._core.multiarray\nscalar\n",
    b"c_codecs\nencode\n",
    b"cos\nsystem\n",
    b"ccopy_reg\n_reconstructor\n",
]


@st.composite
def a_program(draw):
    """Instructions of the pickle machine in any order, with lengths that lie."""
    part = st.one_of(
        st.sampled_from(CODES),
        st.sampled_from(NAMES),
        st.tuples(st.sampled_from([b"X", b"B", b"T", b"r", b"j"]), st.sampled_from(EXTREMES)).map(
            lambda pair: pair[0] + struct.pack("<I", pair[1] % 2**32)
        ),
        st.tuples(
            st.sampled_from([b"\x8d", b"\x8e", b"\x96", b"\x95"]), st.sampled_from(EXTREMES)
        ).map(lambda pair: pair[0] + struct.pack("<Q", pair[1])),
        st.sampled_from(
            [b"K\x01", b"(K\x01K\x02t", b"]", b"}", b")", b"N", b"U\x02f8", b"J\xff\xff\xff\x7f"]
        ),
        st.binary(max_size=6),
    )
    return b"\x80\x04" + b"".join(draw(st.lists(part, max_size=25))) + b"."


@tried(1)
@given(data=st.one_of(damaged(SEEDS), a_program()))
def test_plain_pickles(plain, data):
    plain.check(data)


def model():
    """Arrays of MANO's shapes; nothing of MANO is in them."""
    parents = [4294967295, *[0] * 15]
    return {
        "v_template": RNG.normal(0, 0.05, (778, 3)),
        "shapedirs": RNG.normal(0, 0.01, (778, 3, 10)).astype(np.float32),
        "posedirs": RNG.normal(0, 0.01, (778, 3, 135)).astype(np.float32),
        "J_regressor": np.full((16, 778), 1 / 778),
        "weights": RNG.random((778, 16)),
        "hands_mean": np.zeros(45),
        "kintree_table": np.array([parents, range(16)]),
        "f": np.array([[0, 1, 2], [1, 2, 3], [2, 3, 4]], np.uint32),
    }


MODEL = model()
SPARSE = {
    "_shape": (16, 778),
    "indptr": list(range(779)),
    "indices": [0] * 778,
    "data": [0.5] * 778,
}


@pytest.fixture(scope="module")
def mano(tmp_path_factory):
    yield from placed("mano", tmp_path_factory, "pkl", pickle.dumps(MODEL, 2))


def inert(stored):
    """A pickle's part: an object of scipy with these attributes."""
    body = pickle.dumps(stored, 2)[2:-1]
    return b"cscipy.sparse.csc\ncsc_matrix\n)\x81" + body + b"b"


arrays = st.one_of(
    hostile,
    st.sampled_from([np.zeros(0), np.zeros((778, 3), complex), np.array("a"), np.zeros((2, 0))]),
    st.sampled_from([np.array([None, 1], object), np.array([[0, 1], [1, 2]]), np.full((1, 3), -5)]),
)


@tried(0.25)
@given(changes=st.dictionaries(st.sampled_from(list(MODEL)), arrays, min_size=1, max_size=2))
def test_mano_files_of_other_arrays(mano, changes):
    mano.check(pickle.dumps(MODEL | changes, 2))


@tried(0.25)
@given(stored=spoiled(json.loads(json.dumps(SPARSE))))
def test_mano_files_with_sparse_arrays(mano, stored):
    rest = pickle.dumps({k: v for k, v in MODEL.items() if k != "J_regressor"}, 2)[:-1]
    mano.check(rest + b"X\x0b\0\0\0J_regressor" + inert(stored) + b"s.")


@tried(0.1)
@given(data=damaged([pickle.dumps(MODEL, 2)]))
def test_mano_bytes(mano, data):
    mano.check(data)


def predictions():
    """Two items as `training.test --save_predictions` writes them."""
    from training.predictions import ARRAYS, FLAGS

    made = {key: np.ones((2, *shape), np.float32) for key, shape in ARRAYS.items()}
    made |= {key: made[key].astype(bool) for key in FLAGS if key in made}
    words = {"dataset": "a", "split": "val", "subset": "all", "depth_source": "gt", "weights": "w"}
    return made | {key: np.array(value) for key, value in words.items()}


def packed(arrays):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def npz(tmp_path_factory):
    yield from placed("predictions", tmp_path_factory, "npz", packed(predictions()))


@tried(0.5)
@given(data=damaged([packed(predictions())]))
def test_predictions_bytes(npz, data):
    npz.check(data)


def header(text, rest=b""):
    """An .npy of version 1 with this header."""
    text = text.encode("latin1", "replace")
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text + rest


@tried(0.5)
@given(data=st.data())
def test_predictions_with_headers_that_lie(npz, data):
    """Sound archives in which an array is another one, or says that it is huge."""
    members = {}
    for key, array in predictions().items():
        buffer = io.BytesIO()
        np.save(buffer, array)
        members[key] = buffer.getvalue()
    key = data.draw(st.sampled_from(sorted(members)))
    kind = data.draw(
        st.sampled_from(["<f4", "<f8", "|b1", "<i8", "<U9", "|O", "<c8", "|V9", "<U99999999"])
    )
    shape = data.draw(
        st.lists(st.one_of(st.integers(-1, 3), st.sampled_from(EXTREMES)), max_size=4)
    )
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    members[key] = header(text + " " * 20 + "\n", b"\0" * data.draw(st.integers(0, 400)))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    npz.check(buffer.getvalue())


@pytest.fixture(scope="module")
def vertices(tmp_path_factory):
    yield from placed("vertex_list", tmp_path_factory, "json", json.dumps([3] * 778).encode())


@tried(0.25)
@given(data=st.data())
def test_vertex_lists(vertices, data):
    content = data.draw(st.one_of(spoiled([3] * 778), hostile))
    vertices.check(data.draw(damaged([json.dumps(content).encode()])))
