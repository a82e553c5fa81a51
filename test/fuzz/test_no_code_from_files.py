# SPDX-License-Identifier: Apache-2.0
"""No file that we read runs code: pickles that leave a mark, in every place that takes one."""

import ast
import os
import pickle
import struct
import zlib
from pathlib import Path

import pytest
import torch

from digit_core.network.checkpoint import CheckpointError, load_model
from training.interhand.errors import DataError
from training.interhand.pickles import read_pickle

ROOT = Path(__file__).parents[2]
SHIPPED = [
    p for name in ("digit_core", "digit_ros", "training") for p in (ROOT / name).rglob("*.py")
]


class Mark:
    """Makes a folder when it is unpickled by an unpickler that trusts."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def mark(tmp_path):
    """A path that must not exist at the end; a trusting unpickler would make it."""
    path = tmp_path / "mark"
    pickle.loads(pickle.dumps(Mark(path)))
    assert path.is_dir(), "the trap works"
    path.rmdir()
    yield path
    assert not path.exists(), "code of the file ran"


def test_checkpoint(mark, tmp_path):
    path = tmp_path / "weights.pt"
    torch.save({"state_dict": {"a": torch.zeros(1)}, "more": Mark(mark)}, path)
    with pytest.raises(CheckpointError, match="would run code"):
        load_model(path)


def test_annotation_pickle(mark, tmp_path):
    path = tmp_path / "data.pkl"
    path.write_bytes(pickle.dumps({"0": Mark(mark)}))
    with pytest.raises(DataError, match="refuses to run"):
        read_pickle(path)


def test_journal_of_a_recording(mark, tmp_path):
    """Nothing of it is unpickled: a pickle is no journal, whatever frame it stands in."""
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    from digit_ros.bag.errors import BagError
    from digit_ros.bag.journal import Journal

    content, path = pickle.dumps(Mark(mark)), tmp_path / "journal"
    framed = struct.pack("<II", len(content), zlib.crc32(content)) + content
    path.write_bytes(framed)
    with pytest.raises(BagError, match="is no journal of this program's .* delete it"):
        Journal(path, {"input": "a"})
    assert path.read_bytes() == framed, "what is refused is kept"


#: Calls that run what a file holds, or hand text to a shell.
FORBIDDEN = {
    ("pickle", "load"),
    ("pickle", "loads"),
    ("yaml", "load"),
    ("yaml", "unsafe_load"),
    ("yaml", "full_load"),
    ("os", "system"),
    ("os", "popen"),
    ("joblib", "load"),
    ("shutil", "unpack_archive"),
    ("", "eval"),
    ("", "exec"),
    ("", "compile"),
}


def calls(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
                yield node, called.value.id, called.attr
            elif isinstance(called, ast.Attribute):
                yield node, "?", called.attr
            elif isinstance(called, ast.Name):
                yield node, "", called.id


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: str(p.relative_to(ROOT)))
def test_sources_call_nothing_that_runs_a_file(path):
    for node, module, name in calls(path):
        place = f"{path.relative_to(ROOT)}:{node.lineno}: {module}.{name}"
        given = {word.arg: word.value for word in node.keywords}
        assert (module, name) not in FORBIDDEN, place
        assert name not in ("extractall", "extract"), f"{place}: archives may write anywhere"
        if (module, name) == ("torch", "load"):
            only = given.get("weights_only")
            assert isinstance(only, ast.Constant) and only.value is True, place
        for word in ("shell", "allow_pickle"):
            value = given.get(word)
            assert value is None or (isinstance(value, ast.Constant) and not value.value), place
