# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from digit_core.openxr import OPENXR_NAMES, openxr_hand
from digit_core.orientation import wrist_rotation
from digit_core.palm import palm_joints
from digit_core.skeleton import JOINT_NAMES

SIDES = ("right", "left")


def axes(q):
    """(3, 3) rotation whose columns are the axes of quaternion x, y, z, w."""
    x, y, z, w = q
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + 2 * w * cross + 2 * cross @ cross


def row(name):
    return OPENXR_NAMES.index(name)


def back_of(bone):
    """Back of a bone of the flat hand, which bends about the image's x alone."""
    back = np.cross(-bone, (1.0, 0.0, 0.0))
    return back / np.linalg.norm(back)


def curled(joints, finger, degrees):
    """The flat hand with each joint of one finger bent by so much toward the palm."""
    joints, turn = joints.copy(), np.eye(3)
    rows = [JOINT_NAMES.index(f"{finger}_{i}") for i in (1, 2, 3, 4)]
    bones = np.diff(joints[rows], axis=0)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    # About the image's x: fingers point to -y, the palm looks to +z.
    step = np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
    for parent, child, bone in zip(rows, rows[1:], bones, strict=False):
        turn = step @ turn
        joints[child] = joints[parent] + turn @ bone
    return joints


def test_order_is_that_of_xrhandjointext():
    assert len(OPENXR_NAMES) == 26
    assert OPENXR_NAMES[:3] == ("palm", "wrist", "thumb_metacarpal")
    assert [row(f"{f}_metacarpal") for f in ("index", "middle", "ring", "little")] == [
        6,
        11,
        16,
        21,
    ]
    assert (row("thumb_tip"), row("index_tip"), row("little_tip")) == (5, 10, 25)


@pytest.mark.parametrize("side", SIDES)
def test_places_are_ours_and_the_palm_is_the_middle_of_its_metacarpal(made, side):
    joints = made.flat_hand(side)
    places, _ = openxr_hand(joints, side)
    ours = [f"{f}_{i}" for f in ("index", "middle", "ring", "pinky") for i in (1, 2, 3, 4)]
    bones = ("proximal", "intermediate", "distal", "tip")
    theirs = [f"{f}_{b}" for f in ("index", "middle", "ring", "little") for b in bones]
    ours += ["wrist", *(f"thumb_{i}" for i in (1, 2, 3, 4))]
    theirs += ["wrist", *(f"thumb_{b}" for b in ("metacarpal", "proximal", "distal", "tip"))]
    for one, other in zip(ours, theirs, strict=True):
        assert np.array_equal(places[row(other)], joints[JOINT_NAMES.index(one)])
    middle = (places[row("middle_metacarpal")] + places[row("middle_proximal")]) / 2
    assert np.allclose(places[row("palm")], middle)
    base = places[row("index_metacarpal")] - joints[0]
    whole = joints[JOINT_NAMES.index("index_1")] - joints[0]
    assert np.allclose(np.cross(base, whole), 0) and 0.2 < base @ whole / (whole @ whole) < 0.5


@pytest.mark.parametrize("side", SIDES)
def test_axes_minus_z_to_the_tip_and_y_out_of_the_back(made, side):
    places, turns = openxr_hand(made.flat_hand(side), side)
    assert np.allclose(axes(turns[row("palm")]), wrist_rotation(made.flat_hand(side), side))
    for number, name in enumerate(OPENXR_NAMES):
        matrix = axes(turns[number])
        assert np.linalg.det(matrix) == pytest.approx(1) and turns[number, 3] >= 0
        if name.endswith("tip"):
            assert np.array_equal(turns[number], turns[number - 1])
        elif name not in ("palm", "wrist"):
            bone = places[number + 1] - places[number]
            assert -matrix[:, 2] @ bone == pytest.approx(np.linalg.norm(bone))
            assert name.startswith("thumb") or matrix[:, 1] @ back_of(bone) > 0.97


@pytest.mark.parametrize("side", SIDES)
def test_a_curled_finger_keeps_y_on_its_back(made, side):
    places, turns = openxr_hand(curled(made.flat_hand(side), "middle", 75), side)
    for number in (row(f"middle_{bone}") for bone in ("proximal", "intermediate", "distal")):
        bone = places[number + 1] - places[number]
        assert axes(turns[number])[:, 1] @ back_of(bone) > 0.97
    assert axes(turns[number])[:, 1] @ (0, 1, 0) > 0.9  # its back looks to the wrist by then


def test_a_left_hand_is_the_mirror_image_of_a_right_one(made):
    mirror = np.diag([-1.0, 1.0, 1.0])
    right = curled(made.flat_hand("right"), "index", 40)
    places, turns = openxr_hand(right, "right")
    left_places, left_turns = openxr_hand(right @ mirror, "left")
    assert np.allclose(left_places, places @ mirror)
    for one, other in zip(turns, left_turns, strict=True):
        # A mirrored frame is left-handed: its x is turned about.
        assert np.allclose(axes(other), mirror @ axes(one) @ np.diag([-1, 1, 1]), atol=1e-6)


@pytest.mark.parametrize("side", SIDES)
def test_all_turns_and_moves_with_the_hand(made, side):
    joints, turn = made.flat_hand(side), made.rotation((40, -110, 170))
    places, turns = openxr_hand(joints, side)
    moved_places, moved_turns = openxr_hand(joints @ turn.T + (0.1, 0.2, 0.6), side)
    assert np.allclose(moved_places, places @ turn.T + (0.1, 0.2, 0.6))
    for before, after in zip(turns, moved_turns, strict=True):
        assert np.allclose(axes(after), turn @ axes(before), atol=1e-6)


def test_what_is_not_known_is_nan_and_nothing_else(made):
    joints = made.flat_hand("right")
    joints[JOINT_NAMES.index("ring_3")] = np.nan
    places, turns = openxr_hand(joints, "right")
    lost = [row(f"ring_{bone}") for bone in ("intermediate", "distal", "tip")]
    assert np.flatnonzero(np.isnan(places).any(axis=1)).tolist() == [row("ring_distal")]
    assert np.flatnonzero(np.isnan(turns).any(axis=1)).tolist() == lost
    places, turns = openxr_hand(np.full((21, 3), np.nan), "left")
    assert np.isnan(places).all() and np.isnan(turns).all()


@pytest.mark.parametrize("side", SIDES)
def test_palm_frame_is_manos(made, side):
    """x out of the palm, z to the fingers, y to a right hand's thumb and a left hand's pinky."""
    turn = made.rotation((15, 70, -20))
    joints = palm_joints(made.flat_hand(side) @ turn.T + (0.3, 0.1, 0.8), side)
    middle, index, pinky = (
        joints[JOINT_NAMES.index(n)] for n in ("middle_1", "index_1", "pinky_1")
    )
    assert np.allclose(joints[0], 0) and np.allclose(middle, (0, 0, np.linalg.norm(middle)))
    assert (index - pinky)[1] * (1 if side == "right" else -1) > 0.03
    bent = palm_joints(curled(made.flat_hand(side), "middle", 60), side)
    assert bent[JOINT_NAMES.index("middle_4"), 0] > 0.02
