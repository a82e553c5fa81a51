# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digit_core.orientation import quaternion, wrist_quaternion, wrist_rotation

angle = st.floats(-180, 180)


def as_matrix(q: np.ndarray) -> np.ndarray:
    """Rotation matrix of a quaternion x, y, z, w, by q v q*."""
    x, y, z, w = (float(v) for v in q)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + 2 * w * cross + 2 * cross @ cross


@pytest.mark.parametrize("side", ["right", "left"])
def test_axes_of_a_hand_seen_from_its_back_fingers_up(made, side):
    """In the camera's axes (x right, y down, z away) fingers go to -y and the back looks to -z."""
    x, y, z = wrist_rotation(made.flat_hand(side), side).T
    assert z @ (0, 1, 0) > 0.99  # -Z toward the fingers
    assert y @ (0, 0, -1) > 0.99  # +Y out of the back of the hand
    assert x @ (1, 0, 0) > 0.99  # right-handed for both hands


@pytest.mark.parametrize("side", ["right", "left"])
def test_frames_are_right_handed(made, side):
    turn = made.rotation((20, 130, -70))
    matrix = wrist_rotation(made.flat_hand(side) @ turn.T, side)
    assert np.linalg.det(matrix) == pytest.approx(1)
    assert np.allclose(matrix.T @ matrix, np.eye(3))


def test_the_wrong_side_turns_the_back_into_the_palm(made):
    right = wrist_rotation(made.flat_hand("right"), "right")
    as_left = wrist_rotation(made.flat_hand("right"), "left")
    assert right[:, 1] @ as_left[:, 1] == pytest.approx(-1)


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_frame_turns_with_the_hand(made, side):
    at_rest = wrist_rotation(made.flat_hand(side), side)
    for turn in ((90, 0, 0), (10, 20, 30), (-170, 5, 88), (0, 180, 0)):
        matrix = made.rotation(turn)
        turned = wrist_quaternion(made.flat_hand(side) @ matrix.T + (0.1, 0.2, 0.5), side)
        assert np.allclose(as_matrix(turned), matrix @ at_rest, atol=1e-6)


@settings(deadline=None)
@given(angle, angle, angle)
def test_quaternion_round_trip(a, b, c):
    def about(axis: int, degrees: float) -> np.ndarray:
        i, j, t = (axis + 1) % 3, (axis + 2) % 3, np.radians(degrees)
        m = np.eye(3)
        m[i, i] = m[j, j] = np.cos(t)
        m[i, j], m[j, i] = -np.sin(t), np.sin(t)
        return m

    matrix = about(2, c) @ about(1, b) @ about(0, a)
    q = quaternion(matrix)
    assert np.linalg.norm(q) == pytest.approx(1) and q[3] >= 0
    assert np.allclose(as_matrix(q), matrix, atol=1e-9)


def test_known_quaternion():
    half = np.sqrt(0.5)
    quarter_turn_about_z = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])
    assert np.allclose(quaternion(quarter_turn_about_z), [0, 0, half, half])


def test_degenerate_palms_have_no_orientation(made):
    line = made.flat_hand()
    line[:, 0] = 0
    line[:, 2] = 0
    missing = made.flat_hand()
    missing[9] = np.nan
    for joints in (np.zeros((21, 3)), line, missing, np.full((21, 3), np.nan)):
        assert np.isnan(wrist_quaternion(joints, "right")).all()
