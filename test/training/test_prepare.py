"""training.prepare: masks from MANO-shaped files, packed pictures, and every fault at once."""

import json
import pickle
import shutil
import signal
import subprocess
import sys
import types

import cv2
import lmdb
import numpy as np
import pytest

from digit_core.parts import Part
from training import mano
from training.interhand.dataset import InterHand
from training.interhand.errors import DataError
from training.interhand.raw import SplitFiles
from training.rasterize import draw_labels

RINGS, AROUND = 6, 8
#: Wrist, then index, middle, pinky, ring, thumb from base to tip: MANO's order. Metres.
BASES = {"index": 0.02, "middle": 0.0, "pinky": -0.04, "ring": -0.02, "thumb": 0.05}


def made_up_mano(side):
    """A file of MANO's exact shape: each joint's part is a tube along its bone."""
    mirror = 1 if side == "right" else -1
    starts, ends, parents = [np.zeros(3)], [np.array([0, 0.07, 0])], [0]
    for x in BASES.values():
        for step in range(3):
            starts.append(np.array([x, 0.08 + 0.03 * step, 0]))
            ends.append(np.array([x, 0.105 + 0.03 * step, 0]))
            parents.append(0 if step == 0 else len(starts) - 2)
    vertices, weights, faces = [], [], []
    for joint, (start, end) in enumerate(zip(starts, ends, strict=True)):
        radius = 0.03 if joint == 0 else 0.007
        for ring in range(RINGS):
            for turn in 2 * np.pi * np.arange(AROUND) / AROUND:
                around = radius * np.array([np.cos(turn), 0, np.sin(turn)])
                vertices.append(start + (end - start) * ring / (RINGS - 1) + around)
                weights.append(np.eye(16)[joint])
        first = joint * RINGS * AROUND
        for ring in range(RINGS - 1):
            for k in range(AROUND):
                a, b = first + ring * AROUND + k, first + ring * AROUND + (k + 1) % AROUND
                faces += [(a, b, a + AROUND), (b, b + AROUND, a + AROUND)]
    spare = 778 - len(vertices)
    vertices += [vertices[0]] * spare
    weights += [weights[0]] * spare
    vertices = np.array(vertices) * (mirror, 1, 1)
    regressor = np.zeros((16, 778))
    for joint in range(16):  # the first ring's mean is the bone's start
        regressor[joint, joint * RINGS * AROUND : joint * RINGS * AROUND + AROUND] = 1 / AROUND
    shape = np.zeros((778, 3, 10))
    # The published fault: the left file's first axis does not mirror the right one's in x.
    shape[:, :, 0] = 0.01 * np.abs(vertices)
    return {
        "v_template": vertices,
        "shapedirs": shape,
        "posedirs": np.zeros((778, 3, 135)),
        "J_regressor": regressor,
        "weights": np.array(weights),
        "hands_mean": np.full(45, 0.01),
        "kintree_table": np.array([[2**32 - 1, *parents[1:]], range(16)], dtype=np.int64),
        "f": np.array(faces, dtype=np.uint32),
    }


@pytest.fixture
def mano_folder(tmp_path, monkeypatch):
    """Pickled as the published files are: chumpy's arrays and scipy's compressed columns."""
    chumpy, scipy = types.ModuleType("chumpy"), types.ModuleType("scipy")
    chumpy.Ch = type("Ch", (), {"__module__": "chumpy"})
    scipy.csc = type("csc", (), {"__module__": "scipy"})
    monkeypatch.setitem(sys.modules, "chumpy", chumpy)
    monkeypatch.setitem(sys.modules, "scipy", scipy)
    folder = tmp_path / "mano"
    folder.mkdir()
    for side in ("right", "left"):
        content = made_up_mano(side)
        wrapped = chumpy.Ch()
        wrapped.__dict__ = {"x": content["shapedirs"]}
        dense, sparse = content["J_regressor"], scipy.csc()
        rows = [np.flatnonzero(column) for column in dense.T]
        sparse.__dict__ = {
            "indptr": np.cumsum([0, *map(len, rows)]),
            "indices": np.concatenate(rows),
            "data": np.concatenate([c[r] for c, r in zip(dense.T, rows, strict=True)]),
            "_shape": dense.shape,
        }
        content |= {"shapedirs": wrapped, "J_regressor": sparse}
        (folder / f"MANO_{side.upper()}.pkl").write_bytes(pickle.dumps(content, protocol=2))
    return folder


def flat(model):
    """The pose that undoes the mean hand."""
    return np.append(np.zeros(3), -model.mean)


def test_model_file_is_read_as_it_was_written(mano_folder):
    right, left = mano.load_hands(mano_folder)
    wanted = made_up_mano("right")
    assert np.allclose(right.regressor, wanted["J_regressor"])
    assert np.allclose(right.shape, wanted["shapedirs"])
    # Turned round: what widens the right hand to its right widens the left one to its left.
    assert np.allclose(left.shape[:, 0, 0], -right.shape[:, 0, 0])


def test_pose_is_relative_to_the_mean_hand(mano_folder):
    model, _ = mano.load_hands(mano_folder)
    moved = model.vertices(flat(model), np.zeros(10), np.array([0.1, 0.2, 0.3]))
    assert np.allclose(moved, model.template + (0.1, 0.2, 0.3))
    assert not np.allclose(model.vertices(np.zeros(48), np.zeros(10), np.zeros(3)), model.template)


def test_hand_turns_about_its_root_joint(mano_folder):
    model, _ = mano.load_hands(mano_folder)
    turn = np.array([0.3, -0.8, 0.5])
    moved = model.vertices(np.append(turn, -model.mean), np.zeros(10), np.zeros(3))
    root = model.regressor[0] @ model.template
    expected = (model.template - root) @ cv2.Rodrigues(turn)[0].T + root
    assert np.allclose(moved, expected)


def test_finger_bends_alone(mano_folder):
    model, _ = mano.load_hands(mano_folder)
    pose = flat(model)
    pose[3 * 2 : 3 * 2 + 3] += (0.5, 0, 0)  # index middle: joint 2
    moved = np.abs(model.vertices(pose, np.zeros(10), np.zeros(3)) - model.template).max(axis=1)
    joint = model.weights.argmax(axis=1)
    assert (moved[joint == 3] > 1e-3).any() and (moved[~np.isin(joint, (2, 3))] < 1e-9).all()


def test_parts_by_skinning_weights(mano_folder):
    model, _ = mano.load_hands(mano_folder)
    parts = mano.vertex_parts(model.weights)
    assert parts[0] == Part.PALM and set(parts.tolist()) == set(range(1, 17))
    assert parts[2 * RINGS * AROUND] == Part.INDEX_MIDDLE
    assert parts[15 * RINGS * AROUND] == Part.THUMB_DISTAL


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


def write_fits(root, mano_folder):
    """Fits for the hands of split val, standing upright before the camera 0.6 m away."""
    models = dict(zip(("right", "left"), mano.load_hands(mano_folder), strict=True))
    files = SplitFiles(root, "val")
    data = json.loads(files.annotation("data.json").read_text())
    fits = {}
    for annotation in data["annotations"]:
        kind = annotation["hand_type"]
        fits[str(annotation["id"])] = {
            side: {
                "pose": np.append([np.pi, 0, 0], -model.mean).tolist(),
                "shape": [0.0] * 10,
                "trans": [-0.06 if side == "right" else 0.06, 0.06, 0.6],
            }
            if kind in (side, "interacting")
            else None
            for side, model in models.items()
        }
    files.annotation("MANO_NeuralAnnot.json").write_text(json.dumps({"0": fits}))


def test_masks_show_the_fits(command_here, data_root, mano_folder):
    shutil.rmtree(data_root / "segm_32.lmdb")
    write_fits(data_root, mano_folder)
    run = ("masks", "--mano", mano_folder, "--data_root", data_root, "--splits", "val")
    assert "val: 7 masks added" in command_here("prepare", *run).out
    assert "val: 0 masks added" in command_here("prepare", *run).out
    data = InterHand(data_root, "val")
    for index in range(len(data)):
        labels = data.store.labels(data.key(index), (200, 160))
        right, left = data.table.hands[data.rows[index]]
        found = {label for label in np.unique(labels).tolist() if label}
        wanted = set(range(1, 17)) if right else set()
        wanted |= set(range(17, 33)) if left else set()
        assert found == wanted, index
        if right:
            # Index distal, joint 3: 0.14 to 0.165 m above the wrist, 0.02 m aside.
            x, y = np.array([-0.06 + 0.02, 0.06 - 0.1525]) / 0.6 * 300 + (100, 80)
            assert labels[round(y), round(x)] == Part.INDEX_DISTAL


@pytest.mark.parametrize("png", [False, True])
def test_packed_pictures_are_the_files(command_here, data_root, png):
    before = InterHand(data_root, "val").picture(3)
    run = ("images", "--data_root", data_root, "--splits", "val", *(["--png"] if png else []))
    assert "val: 7 pictures added" in command_here("prepare", *run).out
    shutil.rmtree(data_root / "images" / "val")
    assert np.array_equal(InterHand(data_root, "val").picture(3), before)


def test_interrupted_packing_goes_on(data_root, environment):
    command = [sys.executable, "-c", KILLED, str(data_root)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().strip() == "committed"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    path = data_root / "images" / "interhand.lmdb"
    with lmdb.open(str(path), readonly=True) as packed:
        assert packed.stat()["entries"] == 2
    from training.prepare import prepare_images

    assert prepare_images(SplitFiles(data_root, "val"), as_png=False) == 5
    assert prepare_images(SplitFiles(data_root, "val"), as_png=False) == 0


#: Packs two pictures, says so, and waits to be killed over the third.
KILLED = """
import sys, time
from pathlib import Path
from training import prepare
from training.interhand.raw import SplitFiles
prepare.COMMIT, packed, count = 2, prepare._packed, 0
def slow(path, as_png):
    global count
    count += 1
    if count == 3:
        print("committed", flush=True)
        time.sleep(60)
    return packed(path, as_png)
prepare._packed = slow
prepare.prepare_images(SplitFiles(Path(sys.argv[1]), "val"), False)
"""


def test_check_reports_every_fault(command_here, data_root):
    run = ("--check", "--data_root", data_root, "--splits", "val")
    assert "nothing is wrong" in command_here("prepare", *run).out
    files = SplitFiles(data_root, "val")
    cameras = json.loads(files.annotation("camera.json").read_text())
    del cameras["0"]["focal"]["400001"]
    files.annotation("camera.json").write_text(json.dumps(cameras))
    pictures = sorted((data_root / "images" / "val").rglob("*.jpg"))
    pictures[2].unlink()
    pictures[3].write_bytes(pictures[3].read_bytes()[:-300])
    files.rootnet.unlink()
    said = command_here("prepare", *run, status=2).err
    for part in ("camera 400001", "image2.jpg: No such file", "image3.jpg: damaged", "4 fault(s)"):
        assert part in said
