# SPDX-License-Identifier: Apache-2.0
"""Weights files that are cut, changed or lie: answered, or one CheckpointError."""

import io
import json
import struct
import warnings

import pytest
import torch
from fuzzing import Reader, damaged, hostile, spoiled, tried
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from digit_core import weights as core_weights


class Bundled:
    """The bundled weights: header, tensor data, and the pose network's tensors."""

    def __init__(self):
        data = core_weights.BUNDLED.read_bytes()
        (length,) = struct.unpack_from("<Q", data)
        self.header, self.tensors = json.loads(data[8 : 8 + length]), data[8 + length :]
        whole = load_file(core_weights.BUNDLED)
        self.pose = {k.removeprefix("pose."): v for k, v in whole.items() if k.startswith("pose.")}


@pytest.fixture(scope="module")
def bundled():
    if not core_weights.BUNDLED.is_file():
        pytest.skip(f"{core_weights.BUNDLED.name} is missing")
    return Bundled()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module", params=["load_model", "load_networks"])
def reader(request):
    reader = Reader(request.param, core_weights.BUNDLED)
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def networks():
    reader = Reader("load_networks", core_weights.BUNDLED)
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def model():
    reader = Reader("load_model", core_weights.BUNDLED)
    yield reader
    reader.close()


def safetensors(header, tensors, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + tensors


def small():
    """Three tensors as .safetensors."""
    header = {"__metadata__": {"model": "digit-lite", "hand_size_m": "0.18"}}
    for number, name in enumerate(("pose.a", "pose.b", "detector.c")):
        place = [8 * number, 8 * number + 8]
        header[name] = {"dtype": "F32", "shape": [2], "data_offsets": place}
    return header


SMALL = safetensors(small(), bytes(24))


def pickled(content, **options):
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


STATE = {"backbone.conv1.weight": torch.zeros(2, 3), "fc.bias": torch.ones(4).half()}
PICKLED = [
    pickled(STATE),
    pickled(STATE, _use_new_zipfile_serialization=False),
    pickled({"state_dict": {f"model.{k}": v for k, v in STATE.items()}, "epoch": 3}),
    pickled({"model": "digit-lite", "state_dict": STATE}),
]


def odd_tensors():
    """Tensors that torch loads but that are no plain weights."""
    huge = torch.zeros(1).expand(10**6, 10**6)
    sparse = torch.zeros(4, 4).to_sparse()
    with torch.device("meta"):
        nowhere = torch.zeros(3)
    return [
        huge,
        sparse,
        torch.zeros(4, 4).to_sparse_csr(),
        nowhere,
        torch.quantize_per_tensor(torch.zeros(3), 0.1, 0, torch.qint8),
        torch.full((3,), float("nan")),
        torch.zeros(3, dtype=torch.complex64),
        torch.zeros(3, dtype=torch.bool),
        torch.zeros(3, dtype=torch.float8_e4m3fn),
        torch.zeros(0),
        torch.tensor(1.0),
        torch.nn.Parameter(torch.zeros(3)),
        torch.zeros(3).conj(),
    ]


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch calls some of them experimental
    ODD = odd_tensors()


TRUNK = {
    "conv1.weight": torch.ones(4, 3, 3, 3),
    "conv1.bias": torch.ones(4),
    **{f"bn1.{name}": torch.ones(4) for name in ("weight", "bias", "running_mean", "running_var")},
}


@pytest.fixture(scope="module")
def backbone(folder):
    good = folder / "good.pth"
    torch.save(TRUNK, good)
    reader = Reader("backbone", good)
    yield reader
    reader.close()


class TestBackbone:
    @tried(0.25)
    @given(data=damaged([pickled(TRUNK), pickled(TRUNK, _use_new_zipfile_serialization=False)]))
    def test_bytes(self, backbone, folder, data):
        path = folder / "trunk.pth"
        path.write_bytes(data)
        backbone.check(path)

    @tried(0.25)
    @given(data=st.data())
    def test_other_values(self, backbone, folder, data):
        others = st.one_of(st.sampled_from(ODD), hostile)
        keys = st.sampled_from(list(TRUNK))
        content = TRUNK | data.draw(st.dictionaries(keys, others, min_size=1, max_size=3))
        if data.draw(st.integers(0, 9)) == 0:
            content = data.draw(others)
        path = folder / "trunk.pth"
        torch.save(content, path)
        backbone.check(path)


class TestSmall:
    @tried(0.5)
    @given(data=damaged([SMALL]), name=st.sampled_from(["w.safetensors", "w.pt"]))
    def test_safetensors_bytes(self, model, folder, data, name):
        path = folder / name
        path.write_bytes(data)
        model.check(path)

    @tried(0.5)
    @given(header=spoiled(small()), length=st.sampled_from([None] * 5 + [0, 1, 2**31, 2**63]))
    def test_safetensors_headers(self, networks, folder, header, length):
        path = folder / "w.safetensors"
        path.write_bytes(safetensors(header, bytes(24), length))
        networks.check(path)

    @tried(1)
    @given(data=damaged(PICKLED), name=st.sampled_from(["w.pt", "w.ckpt", "w.safetensors"]))
    def test_pickled_bytes(self, model, folder, data, name):
        path = folder / name
        path.write_bytes(data)
        model.check(path)


class TestWhole:
    @tried(0.15)
    @given(data=st.data())
    def test_metadata_and_headers(self, reader, bundled, folder, data):
        header = bundled.header
        if data.draw(st.booleans()):
            names = ["model", "hand_size_m", *core_weights.Calibration.__dataclass_fields__]
            changes = st.dictionaries(st.sampled_from(names), hostile.map(_text), min_size=1)
            metadata = {**header.get("__metadata__", {}), **data.draw(changes)}
            header = {**header, "__metadata__": metadata}
        else:
            header = data.draw(spoiled(header))
        path = folder / "whole.safetensors"
        path.write_bytes(safetensors(header, bundled.tensors))
        reader.check(path)

    @tried(0.15)
    @given(data=st.data())
    def test_odd_tensors(self, model, bundled, folder, data):
        keys = st.sampled_from(list(bundled.pose)[:4] + list(bundled.pose)[-2:] + ["more"])
        changes = data.draw(st.dictionaries(keys, st.sampled_from(ODD), min_size=1, max_size=2))
        state = {**bundled.pose, **changes}
        path = folder / "odd.pt"
        torch.save({"model": "digit-lite", "state_dict": state}, path)
        model.check(path)


def _text(value):
    return value if isinstance(value, str) else str(value)[:500]
