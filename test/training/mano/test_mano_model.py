# SPDX-License-Identifier: Apache-2.0
"""MANO's arithmetic on files of its exact shape, held against the renderer's own hand."""

import json
import pickle

import cv2
import numpy as np
import pytest

from digit_core.parts import Part
from training import mano
from training.interhand.errors import DataError
from training.interhand.pickles import read_pickle


@pytest.fixture(scope="module")
def hands(mano_folder):
    return mano.load_hands(mano_folder)


def axis_angles(rotations):
    return np.stack([cv2.Rodrigues(turn)[0].ravel() for turn in rotations])


def flat(model):
    """The pose that undoes the mean hand."""
    return np.append(np.zeros(3), -model.mean)


def test_files_have_manos_exact_shape(our_hand):
    content = our_hand.file("left")
    assert content["v_template"].shape == (778, 3) and content["shapedirs"].shape == (778, 3, 10)
    assert content["posedirs"].shape == (778, 3, 135)
    assert content["J_regressor"].shape == (16, 778)
    assert set(content["f"].ravel().tolist()) <= set(range(778)) and len(content["f"]) > 1000


def test_model_file_is_read_as_it_was_written(hands, our_hand):
    right, left = hands
    wanted = our_hand.file("right")
    assert np.allclose(right.regressor, wanted["J_regressor"])
    assert np.allclose(right.shape, wanted["shapedirs"])
    # Turned round in x, in all ten shapes; y and z are as they were.
    assert np.allclose(left.shape, wanted["shapedirs"] * np.array([-1, 1, 1])[:, None])


@pytest.mark.parametrize("shape", [np.zeros(10), np.linspace(-1.5, 1.5, 10)])
def test_bent_hand_is_the_renderers(hands, our_hand, bent, shape):
    turns = axis_angles(our_hand.rotations(shape, bent)).ravel()
    wanted = our_hand.vertices(shape, bent)
    moved = hands[0].vertices(turns + flat(hands[0]), shape, np.zeros(3))
    # The baked basis is stored in 16 bits; a hand is 0.18 m long.
    assert np.abs(moved - wanted).max() < 2e-4
    assert np.abs(wanted - our_hand.vertices(shape)).max() > 0.02, "nothing was bent"


def test_left_hand_mirrors_the_right_one(hands, our_hand, bent):
    """Same shape, mirrored pose: mirrored vertices. With the published sign they are not."""
    shape = np.linspace(-1.5, 1.5, 10)
    turns = axis_angles(our_hand.rotations(shape, bent))
    right, left = hands
    mirrored = turns * (1, -1, -1)
    there = right.vertices(turns.ravel() + flat(right), shape, np.zeros(3)) * (-1, 1, 1)
    here = left.vertices(mirrored.ravel() + flat(left), shape, np.zeros(3))
    assert np.abs(there - here).max() < 1e-9
    as_published = mano.Mano(**{**vars(left), "shape": left.shape * np.array([-1, 1, 1])[:, None]})
    faulty = as_published.vertices(mirrored.ravel() + flat(left), shape, np.zeros(3))
    assert np.abs(there - faulty).max() > 0.002


def test_pose_is_relative_to_the_mean_hand(hands):
    model, _ = hands
    moved = model.vertices(flat(model), np.zeros(10), np.array([0.1, 0.2, 0.3]))
    assert np.allclose(moved, model.template + (0.1, 0.2, 0.3))
    assert not np.allclose(model.vertices(np.zeros(48), np.zeros(10), np.zeros(3)), model.template)


def test_hand_turns_about_its_root_joint(hands):
    model, _ = hands
    shift = np.array([0.02, -0.01, 0.03])  # so that the root is not the origin
    model = mano.Mano(**{**vars(model), "template": model.template + shift})
    turn = np.array([0.3, -0.8, 0.5])
    moved = model.vertices(np.append(turn, -model.mean), np.zeros(10), np.zeros(3))
    root = model.regressor[0] @ model.template
    assert np.linalg.norm(root) > 0.03
    expected = (model.template - root) @ cv2.Rodrigues(turn)[0].T + root
    assert np.allclose(moved, expected)


def test_pose_blend_shapes_count_what_the_joints_turn(hands):
    model, _ = hands
    rng = np.random.default_rng(1)
    blend = rng.normal(0, 1e-3, model.pose.shape)
    model = mano.Mano(**{**vars(model), "pose": blend})
    turn = np.array([0.0, 0.0, 0.5])
    pose = flat(model)
    pose[3 * 15 :] += turn  # the thumb's last joint: its part alone is moved by it
    still = model.weights[:, 15] == 0
    moved = model.vertices(pose, np.zeros(10), np.zeros(3)) - model.template
    changed = blend[:, :, 126:] @ (cv2.Rodrigues(turn)[0] - np.eye(3)).ravel()
    assert np.allclose(moved[still], changed[still], atol=1e-12)


def test_parts_by_skinning_weights(hands):
    model, _ = hands
    parts = mano.vertex_parts(model.weights)
    assert set(parts.tolist()) == set(range(1, 17))
    for joint, part in ((0, Part.PALM), (2, Part.INDEX_MIDDLE), (15, Part.THUMB_DISTAL)):
        assert set(parts[model.weights[:, joint] > 0.6].tolist()) == {part}


def test_the_release_s_vertex_list_serves_too(tmp_path):
    path = tmp_path / "parts.json"
    path.write_text(json.dumps([i % 16 for i in range(779)]))
    assert mano.read_vertex_parts(path)[:17].tolist() == [*range(1, 17), 1]
    path.write_text("[1, 2]")
    with pytest.raises(DataError, match="expected 778 or 779"):
        mano.read_vertex_parts(path)


def test_open_wrist_is_closed():
    open_box = np.array([(0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4)])
    closed = mano.close_wrist(open_box)
    edges = [tuple(f[[a, b]]) for f in closed[:, :] for a, b in ((0, 1), (1, 2), (2, 0))]
    assert len(closed) == 6 and all((b, a) in edges for a, b in edges)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("kintree_table", None, "kintree_table is no tree|has no"),
        ("kintree_table", [[0] * 15], "kintree_table is no tree"),
        ("kintree_table", [[0, 5, *[0] * 14]], "kintree_table is no tree"),
        ("f", None, "f is no list|has no"),
        ("f", [[0, 1, 778]], "f is no list of triangles"),
        ("v_template", 10**400, "has no"),
    ],
)
def test_files_that_are_not_manos_are_refused(mano_folder, tmp_path, key, value, expected):
    """Found by fuzzing: numpy's and Python's own errors came through."""
    content = read_pickle(mano_folder / "MANO_RIGHT.pkl", inert=("chumpy", "scipy"))
    plain = {k: v for k, v in content.items() if isinstance(v, np.ndarray)}
    zeros = {"shapedirs": (778, 3, 10), "J_regressor": (16, 778)}
    plain |= {name: np.zeros(shape) for name, shape in zeros.items()}
    path = tmp_path / "spoiled.pkl"
    path.write_bytes(pickle.dumps(plain | {key: value}, 2))
    with pytest.raises(DataError, match=f"spoiled.pkl: ({expected})"):
        mano.load_mano(path)


@pytest.mark.parametrize("text", ["[1e400]", "[" * 100_000, "[99999999999999999999]", "null"])
def test_vertex_lists_that_are_none(tmp_path, text):
    """Found by fuzzing."""
    (tmp_path / "v.json").write_text(text)
    with pytest.raises(DataError, match="v.json: (no list|expected 778)"):
        mano.read_vertex_parts(tmp_path / "v.json")
