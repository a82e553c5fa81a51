# SPDX-License-Identifier: Apache-2.0
"""Quaternions of the underlay: round trips, known turns, agreement with their definitions."""

import math

import numpy as np
import pytest
import tf_transformations as tf
from hypothesis import given
from hypothesis import strategies as st

ANGLES = st.floats(-math.pi, math.pi)
PITCHES = st.floats(-1.5, 1.5)


@st.composite
def quaternions(draw):
    values = np.array([draw(st.floats(-1, 1)) for _ in range(4)])
    length = np.linalg.norm(values)
    return values / length if length > 0.1 else np.array([0, 0, 0, 1.0])


def assert_same_turn(a, b):
    assert min(np.abs(a - b).max(), np.abs(a + b).max()) < 1e-7


@given(quaternions())
def test_matrix_and_back(q):
    matrix = tf.quaternion_matrix(q)
    np.testing.assert_allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.identity(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1.0)
    assert_same_turn(tf.quaternion_from_matrix(matrix), q)


@given(quaternions(), quaternions())
def test_product_of_quaternions_is_product_of_matrices(a, b):
    product = tf.quaternion_matrix(tf.quaternion_multiply(a, b))
    np.testing.assert_allclose(
        product, tf.quaternion_matrix(a) @ tf.quaternion_matrix(b), atol=1e-12
    )


@given(quaternions())
def test_inverse(q):
    unity = tf.quaternion_multiply(q, tf.quaternion_inverse(q * 3.0) * 3.0)
    np.testing.assert_allclose(unity, [0, 0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(tf.quaternion_conjugate(q), tf.quaternion_inverse(q), atol=1e-12)


@given(ANGLES, PITCHES, ANGLES)
def test_euler_and_back(roll, pitch, yaw):
    q = tf.quaternion_from_euler(roll, pitch, yaw)
    assert_same_turn(tf.quaternion_from_euler(*tf.euler_from_quaternion(q)), q)
    expected = np.linalg.multi_dot(
        [
            tf.quaternion_matrix(tf.quaternion_about_axis(yaw, (0, 0, 1))),
            tf.quaternion_matrix(tf.quaternion_about_axis(pitch, (0, 1, 0))),
            tf.quaternion_matrix(tf.quaternion_about_axis(roll, (1, 0, 0))),
        ]
    )
    np.testing.assert_allclose(tf.euler_matrix(roll, pitch, yaw), expected, atol=1e-9)
    turning = tf.quaternion_from_euler(yaw, pitch, roll, "rzyx")
    assert_same_turn(turning, q)


def test_gimbal_lock_gives_the_same_turn():
    q = tf.quaternion_from_euler(0.3, math.pi / 2, 0.2)
    np.testing.assert_allclose(
        tf.euler_matrix(*tf.euler_from_quaternion(q)), tf.quaternion_matrix(q), atol=1e-7
    )


def test_known_turns():
    quarter = tf.quaternion_about_axis(math.pi / 2, (0, 0, 2))
    np.testing.assert_allclose(quarter, [0, 0, math.sqrt(0.5), math.sqrt(0.5)])
    turned = tf.quaternion_matrix(quarter) @ [1, 0, 0, 1]
    np.testing.assert_allclose(turned, [0, 1, 0, 1], atol=1e-12)
    half = tf.quaternion_slerp([0, 0, 0, 1], quarter, 0.5)
    np.testing.assert_allclose(half, tf.quaternion_about_axis(math.pi / 4, (0, 0, 1)))
    np.testing.assert_allclose(tf.quaternion_slerp(quarter, -quarter, 0.5), quarter)


def test_matrices():
    moved = tf.concatenate_matrices(tf.translation_matrix((1, 2, 3)), tf.identity_matrix())
    np.testing.assert_array_equal(tf.translation_from_matrix(moved), [1, 2, 3])
    np.testing.assert_allclose(tf.inverse_matrix(moved) @ moved, np.identity(4))
    np.testing.assert_allclose(tf.unit_vector([3, 0, 4]), [0.6, 0, 0.8])
    assert tf.vector_norm([3, 0, 4]) == 5
    np.testing.assert_allclose(tf.unit_vector([[2.0, 0], [0, 5.0]], axis=1), np.identity(2))


@pytest.mark.parametrize("axes", ["xyz", "sxyw", "qxyz"])
def test_unknown_axes(axes):
    with pytest.raises(ValueError, match="expected s or r"):
        tf.quaternion_from_euler(0, 0, 0, axes)
