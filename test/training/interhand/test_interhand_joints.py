# SPDX-License-Identifier: Apache-2.0
"""InterHand2.6M's joint order, held against the data set's own words."""

from pathlib import Path

import numpy as np
import pytest

from training.interhand.joints import BONES, COUNT, HANDS, MIRRORED, NAMES, WRISTS

SKELETON = Path(__file__).parents[4] / "shared/reference/mini_interhand/annotations/skeleton.txt"


def test_order():
    assert COUNT == len(NAMES) == 42
    assert NAMES[:6] == ("r_thumb4", "r_thumb3", "r_thumb2", "r_thumb1", "r_index4", "r_index3")
    assert NAMES[19:22] == ("r_pinky1", "r_wrist", "l_thumb4")
    assert WRISTS == (20, 41) and NAMES[41] == "l_wrist"
    assert HANDS == (slice(0, 21), slice(21, 42))


def test_bones_lead_inward_to_the_wrist():
    assert BONES.shape == (2, 20, 2)
    assert BONES[0, :4].tolist() == [[0, 1], [1, 2], [2, 3], [3, 20]]
    assert BONES[0, 19].tolist() == [19, 20]
    assert np.array_equal(BONES[1], BONES[0] + 21)


def test_mirroring_exchanges_the_hands():
    assert MIRRORED[0] == 21 and MIRRORED[41] == 20
    assert np.array_equal(MIRRORED[MIRRORED], np.arange(42))


@pytest.mark.skipif(not SKELETON.is_file(), reason="the made-up data set is not here")
def test_names_and_parents_are_those_of_the_data_set():
    rows = [line.split(" ") for line in SKELETON.read_text().splitlines() if line[0] != "#"]
    assert [name for name, _, _ in rows] == list(NAMES)
    parents = [[int(joint), int(parent)] for _, joint, parent in rows if int(parent) >= 0]
    assert parents == BONES.reshape(40, 2).tolist()
