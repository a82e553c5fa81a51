# SPDX-License-Identifier: Apache-2.0
"""Masks from MANO fits: where the parts lie, when they are made anew."""

import dataclasses
import json
import shutil

import cv2
import lmdb
import numpy as np

from digit_core.parts import LEFT_OFFSET, Part
from training import mano
from training.interhand.dataset import InterHand
from training.interhand.raw import SplitFiles
from training.interhand.table import open_table
from training.masks import render_mask
from training.rasterize import draw_labels

UPRIGHT = np.array([np.pi, 0, 0])  # our hand's fingers along y to the camera's, which is down
PLACES = {"right": np.array([-0.06, 0.06, 0.6]), "left": np.array([0.06, 0.06, 0.6])}


def fit(model, side, turn=UPRIGHT, place=None):
    """Parameters of a flat hand, as NeuralAnnot's JSON has them."""
    return {
        "pose": np.append(turn, -model.mean).tolist(),
        "shape": [0.0] * 10,
        "trans": (PLACES[side] if place is None else place).tolist(),
    }


def write_fits(root, mano_folder, turn=UPRIGHT):
    """Fits for the hands of split val, standing upright before the camera 0.6 m away."""
    models = dict(zip(("right", "left"), mano.load_hands(mano_folder), strict=True))
    files = SplitFiles(root, "val")
    data = json.loads(files.annotation("data.json").read_text())
    fits = {
        str(annotation["id"]): {
            side: fit(model, side, turn)
            if annotation["hand_type"] in (side, "interacting")
            else None
            for side, model in models.items()
        }
        for annotation in data["annotations"]
    }
    files.annotation("MANO_NeuralAnnot.json").write_text(json.dumps({"0": fits}))


def middle_of_index_distal(our_hand):
    joints = our_hand.shapes(np.zeros(10)).joints[0].numpy()
    return (joints[7] + joints[8]) / 2


def test_masks_show_the_fits(command_here, data_root, mano_folder, our_hand):
    shutil.rmtree(data_root / "segm_32.lmdb")
    write_fits(data_root, mano_folder)
    run = ("masks", "--mano", mano_folder, "--data_root", data_root, "--splits", "val")
    assert "val: 7 masks added" in command_here("prepare", *run).out
    assert "val: 0 masks added" in command_here("prepare", *run).out
    data = InterHand(data_root, "val")
    x, y, _ = middle_of_index_distal(our_hand) * (1, -1, -1)
    for index in range(len(data)):
        labels = data.store.labels(data.key(index), (200, 160))
        present = dict(zip(PLACES, data.table.hands[data.rows[index]], strict=True))
        found = {label for label in np.unique(labels).tolist() if label}
        wanted = set(range(1, 17)) if present["right"] else set()
        wanted |= set(range(17, 33)) if present["left"] else set()
        assert found == wanted, index
        for side, mirror, offset in (("right", 1, 0), ("left", -1, LEFT_OFFSET)):
            if present[side]:
                at = (PLACES[side][:2] + (mirror * x, y)) / 0.6 * 300 + (100, 80)
                assert labels[round(at[1]), round(at[0])] == Part.INDEX_DISTAL + offset


def test_masks_are_made_anew_when_the_fits_changed(command_here, data_root, mano_folder):
    shutil.rmtree(data_root / "segm_32.lmdb")
    run = ("masks", "--mano", mano_folder, "--data_root", data_root, "--splits", "val")
    write_fits(data_root, mano_folder)
    command_here("prepare", *run)
    before = packed(data_root)
    write_fits(data_root, mano_folder, turn=np.array([0.0, 0, 0]))
    said = command_here("prepare", *run, "--workers", 2).out
    assert "made anew" in said and "val: 7 masks added" in said
    assert packed(data_root) != before
    assert "val: 0 masks added" in command_here("prepare", *run).out


def test_foreign_masks_stay(command_here, data_root, mano_folder):
    """The fixture's masks were drawn by somebody else, as the release's were."""
    write_fits(data_root, mano_folder)
    run = ("masks", "--mano", mano_folder, "--data_root", data_root, "--splits", "val")
    assert "val: 0 masks added" in command_here("prepare", *run).out


def test_repacked_masks_are_the_same_and_smaller(command_here, data_root):
    """From three equal channels, which is the release's form."""
    path = str(data_root / "segm_32.lmdb")
    with lmdb.open(path, map_size=1 << 30) as masks, masks.begin(write=True) as transaction:
        for key, value in list(transaction.cursor()):
            mask = cv2.imdecode(np.frombuffer(value, np.uint8), cv2.IMREAD_GRAYSCALE)
            transaction.put(key, cv2.imencode(".png", np.dstack([mask] * 3))[1].tobytes())
    before = packed(data_root)
    run = ("masks", "--repack", "--data_root", data_root, "--splits", "val")
    assert "val: 7 masks repacked" in command_here("prepare", *run).out
    after = packed(data_root)
    assert len(after) < len(before)
    both = [cv2.imdecode(np.frombuffer(v, np.uint8), cv2.IMREAD_COLOR) for v in (before, after)]
    assert np.array_equal(*both)
    assert "val: 0 masks repacked" in command_here("prepare", *run).out


def packed(root):
    """Bytes of the first mask of split val."""
    key = "val/" + open_table(SplitFiles(root, "val")).key(0).replace("jpg", "png")
    with lmdb.open(str(root / "segm_32.lmdb"), readonly=True) as masks, masks.begin() as reader:
        return reader.get(key.encode())


def test_fits_are_in_the_world_s_frame(data_root, mano_folder, our_hand):
    """Seen by a camera that stands aside and is turned."""
    hands = mano.load_hands(mano_folder)
    rotation = cv2.Rodrigues(np.array([0.1, -0.4, 0.2]))[0]
    position = np.array([-150.0, -30.0, 20.0])
    table = open_table(SplitFiles(data_root, "val"))
    moved = dataclasses.replace(
        table,
        rotation=np.broadcast_to(rotation, table.rotation.shape),
        position=np.broadcast_to(position, table.position.shape),
    )
    place = np.array([0.02, 0.05, 0.6])
    told = {"right": fit(hands[0], "right", place=place)}
    mask = render_mask(moved, 0, told, hands, mano.vertex_parts(hands[0].weights))
    world = 1000 * (middle_of_index_distal(our_hand) * (1, -1, -1) + place)
    seen = rotation @ (world - position)
    x, y = 300 * seen[:2] / seen[2] + (100, 80)
    assert mask[round(y), round(x)] == Part.INDEX_DISTAL


def test_nearest_triangle_is_seen():
    points = np.array(
        [[0, 0], [20, 0], [0, 20], [2, 2], [8, 2], [2, 8], [5, 5], [9, 5], [5, 9]], float
    )
    depth = np.array([2.0] * 3 + [1.0] * 3 + [3.0] * 3)
    faces = np.arange(9).reshape(3, 3)
    labels = np.repeat(np.array([1, 2, 3], np.uint8), 3)
    drawn = draw_labels(points, depth, faces, labels, (24, 22))
    assert drawn.shape == (22, 24)
    assert (drawn[3, 3], drawn[6, 6], drawn[0, 0], drawn[21, 23]) == (2, 1, 1, 0)
    assert (drawn[:21, :21] > 0).sum() == 231  # pixels x + y <= 20
    assert not draw_labels(points, -depth, faces, labels, (24, 22)).any()
