# SPDX-License-Identifier: Apache-2.0
"""One test per convention; each fails loudly when the convention is changed."""

import numpy as np

from digit_core import parts
from digit_core.camera import Camera
from digit_core.decode import metres_from_cells
from digit_core.skeleton import (
    BONES,
    JOINT_NAMES,
    NETWORK_FROM_PUBLIC,
    PARENTS,
    network_from_public,
    public_from_network,
)

MEDIAPIPE = """WRIST THUMB_CMC THUMB_MCP THUMB_IP THUMB_TIP
INDEX_FINGER_MCP INDEX_FINGER_PIP INDEX_FINGER_DIP INDEX_FINGER_TIP
MIDDLE_FINGER_MCP MIDDLE_FINGER_PIP MIDDLE_FINGER_DIP MIDDLE_FINGER_TIP
RING_FINGER_MCP RING_FINGER_PIP RING_FINGER_DIP RING_FINGER_TIP
PINKY_MCP PINKY_PIP PINKY_DIP PINKY_TIP""".split()

INTERHAND = """r_thumb4 r_thumb3 r_thumb2 r_thumb1 r_index4 r_index3 r_index2 r_index1
r_middle4 r_middle3 r_middle2 r_middle1 r_ring4 r_ring3 r_ring2 r_ring1
r_pinky4 r_pinky3 r_pinky2 r_pinky1 r_wrist
l_thumb4 l_thumb3 l_thumb2 l_thumb1 l_index4 l_index3 l_index2 l_index1
l_middle4 l_middle3 l_middle2 l_middle1 l_ring4 l_ring3 l_ring2 l_ring1
l_pinky4 l_pinky3 l_pinky2 l_pinky1 l_wrist""".split()

LEVELS = {"CMC": 1, "MCP": 1, "PIP": 2, "DIP": 3, "IP": 3, "TIP": 4}


def from_mediapipe(name: str) -> str:
    if name == "WRIST":
        return "wrist"
    finger, _, level = name.replace("_FINGER", "").partition("_")
    number = 2 if name == "THUMB_MCP" else LEVELS[level]
    return f"{finger.lower()}_{number}"


def test_public_order_is_mediapipe_s():
    assert list(JOINT_NAMES) == [from_mediapipe(name) for name in MEDIAPIPE]


def test_public_order_picks_the_named_network_joints():
    names = np.array(INTERHAND)[:, None]
    for side in ("right", "left"):
        expected = [f"{side[0]}_{name.replace('_', '')}" for name in JOINT_NAMES]
        assert public_from_network(names, side)[:, 0].tolist() == expected


def test_network_order_is_interhand_s():
    right, left = (
        np.array([[f"{s}_{name.replace('_', '')}"] for name in JOINT_NAMES]) for s in "rl"
    )
    assert network_from_public(right, left)[:, 0].tolist() == INTERHAND


def test_design_s_table_of_the_order():
    table = [20, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12, 19, 18, 17, 16]
    assert NETWORK_FROM_PUBLIC.tolist() == table


def test_bones_lead_from_the_wrist_to_each_tip():
    assert len(BONES) == 20
    for tip in (4, 8, 12, 16, 20):
        chain = [tip]
        while PARENTS[chain[-1]] >= 0:
            chain.append(PARENTS[chain[-1]])
        assert chain == [tip, tip - 1, tip - 2, tip - 3, 0]


def test_left_parts_are_right_ones_plus_16_and_swap_is_its_own_inverse():
    labels = np.arange(33, dtype=np.uint8)
    swapped = parts.swap_sides(labels)
    assert swapped[parts.Part.PALM] == 25 and swapped[25] == parts.Part.PALM and swapped[0] == 0
    assert (parts.swap_sides(swapped) == labels).all()
    assert parts.side_of(np.array([0, 1, 16, 17, 32])).tolist() == [0, 1, 1, 2, 2]
    names = parts.label_names()
    assert names[9] == "right_palm" and names[25] == "left_palm" and len(names) == 33


def test_depth_cells_are_400_mm_about_the_wrist_in_metres():
    assert np.allclose(metres_from_cells(np.array([0, 32, 64, 33])), [-0.2, 0, 0.2, 0.00625])


def test_optical_axes_x_right_y_down_z_forward():
    camera = Camera.from_hfov(90, 101, 51)
    right, below, ahead = camera.project(np.array([[0.1, 0, 1], [0, 0.1, 1], [0, 0, 1]]))
    assert ahead.tolist() == [50, 25]  # the middle pixel's centre
    assert right[0] > 50 and right[1] == 25
    assert below[1] > 25 and below[0] == 50
    assert np.isnan(camera.project(np.array([0.0, 0, -1]))).all()
