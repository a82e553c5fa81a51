# SPDX-License-Identifier: Apache-2.0
"""A node on a machine where OpenCV lacks libGL: one sentence, no traceback."""

import os

import pytest


@pytest.mark.parametrize("node", ["digit_node", "player_node"])
def test_a_node_says_one_sentence(tmp_path, start_node, node):
    error = "libGL.so.1: cannot open shared object file: No such file or directory"
    (tmp_path / "cv2.py").write_text(f"raise ImportError({error!r}, name='cv2')")
    path = f"{tmp_path}{os.pathsep}{os.environ['PYTHONPATH']}"
    process = start_node(node, env={"PYTHONPATH": path})
    assert process.wait() == 1
    assert process.output.startswith(f"{node}: OpenCV cannot load the system library libGL.so.1:")
    assert process.output.count("\n") == 1
