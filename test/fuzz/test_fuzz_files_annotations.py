# SPDX-License-Identifier: Apache-2.0
"""InterHand2.6M's annotation files spoiled: items that are usable, or one DataError each."""

import json
import pickle
from contextlib import suppress

import numpy as np
import pytest
from fuzzing import Reader, damaged, spoiled, tried
from hypothesis import given
from hypothesis import strategies as st

from digit_core.skeleton import SIDES
from training.interhand.raw import SplitFiles
from training.synth.layout import Drawn, write_split

WIDTH, HEIGHT = 64, 48
K = np.array([[90.0, 0, 32], [0, 90, 24], [0, 0, 1]])
FIT = {"pose": [0.1] * 48, "shape": [0.0] * 10, "trans": [0.0, 0.0, 0.5]}
KINDS = ("data.json", "camera.json", "joint_3d.json", "MANO_NeuralAnnot.json", "rootnet")


def drawn(rng, sides):
    """A picture of noise with joints where hands might be."""
    place = np.zeros((2, 21, 3)) + [0, 0, 0.6] + rng.normal(0, 0.03, (2, 21, 3))
    projected = place @ K.T
    return Drawn(
        rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8),
        np.zeros((HEIGHT, WIDTH), np.uint8),
        place,
        projected[..., :2] / projected[..., 2:],
        np.array([side in sides for side in SIDES]),
        K,
    )


class Tree:
    """A tiny data set whose files are spoiled one at a time, and are good again afterwards."""

    def __init__(self, root):
        rng = np.random.default_rng(0)
        write_split(root, "val", [drawn(rng, kind) for kind in (("right",), ("left",), SIDES)])
        self.root, self.files = root, SplitFiles(root, "val")
        fits = {"0": {str(i): dict.fromkeys(SIDES, FIT) for i in range(3)}}
        self.path("MANO_NeuralAnnot.json").write_text(json.dumps(fits))
        self._good = {path: path.read_bytes() for path in self.files.sources()}

    def path(self, kind):
        return self.files.rootnet if kind == "rootnet" else self.files.annotation(kind)

    def good(self, kind):
        return self._good[self.files.fits if kind == "fits" else self.path(kind)]

    def spoil(self, kind, data):
        """All files good but this one; the pickles only serve where the JSON is not there."""
        for path, good in self._good.items():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(good)
        if kind == "MANO_NeuralAnnot.json":
            self.files.fits.unlink()
        if kind == "data.pkl":
            self.path("data.json").unlink()
        (self.files.fits if kind == "fits" else self.path(kind)).write_bytes(data)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return Tree(tmp_path_factory.mktemp("tree") / "InterHand")


@pytest.fixture(scope="module", params=["annotations", "check"])
def reader(request, tmp_path_factory, tree):
    # The tree of the test is spoiled already when a reader is started anew.
    good = tmp_path_factory.mktemp("good") / "InterHand"
    Tree(good)
    reader = Reader(request.param, good)
    yield reader
    reader.close()


@tried(0.5)
@given(data=st.data(), kind=st.sampled_from(KINDS))
def test_other_values(tree, reader, data, kind):
    content = data.draw(spoiled(json.loads(tree.good(kind))))
    tree.spoil(kind, json.dumps(content).encode())
    reader.check(tree.root)


@tried(0.25)
@given(data=st.data(), kind=st.sampled_from([*KINDS, "data.pkl", "fits"]))
def test_bytes(tree, reader, data, kind):
    tree.spoil(kind, data.draw(damaged([tree.good(kind)])))
    reader.check(tree.root)


@tried(0.25)
@given(data=st.data(), kind=st.sampled_from(["data.pkl", "fits"]))
def test_other_values_in_pickles(tree, reader, data, kind):
    # JSON has text for keys alone: the mapping goes through it as a list of pairs.
    content = pickle.loads(tree.good(kind))
    changed = data.draw(spoiled(json.loads(json.dumps(list(content.items()), default=float))))
    with suppress(TypeError, ValueError):
        changed = dict(changed)
    tree.spoil(kind, pickle.dumps(changed))
    reader.check(tree.root)


class Arrays:
    """The arrays that a tree's annotations become."""

    def __init__(self, root):
        self.root = root
        self.tree = Tree(root)
        reader = Reader("table", root)
        assert reader.check(root)["kind"] == "answered"
        reader.close()
        self.folder = root / "cache" / "annotations" / "val"
        self.good = {path: path.read_bytes() for path in self.folder.glob("*.npy")}


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    return Arrays(tmp_path_factory.mktemp("arrays") / "InterHand")


@pytest.fixture(scope="module")
def table(arrays, tmp_path_factory):
    good = tmp_path_factory.mktemp("good") / "InterHand"
    Tree(good)
    reader = Reader("table", good)
    yield reader
    reader.close()


@tried(0.5)
@given(data=st.data())
def test_arrays_on_disk(arrays, table, data):
    for path, good in arrays.good.items():
        path.write_bytes(good)
    path = data.draw(st.sampled_from(sorted(arrays.good)))
    other = data.draw(st.sampled_from(sorted(arrays.good)))
    seeds = [arrays.good[path]] * 3 + [arrays.good[other]]
    path.write_bytes(data.draw(damaged(seeds)))
    table.check(arrays.root)


def test_a_tree_without_the_list_of_fits_serves(tree, reader):
    tree.spoil("MANO_NeuralAnnot.json", tree.good("MANO_NeuralAnnot.json"))
    assert reader.check(tree.root)["kind"] == "answered"
