# SPDX-License-Identifier: Apache-2.0
"""Reading a data set: the same items whatever the workers, and bad data named."""

import contextlib
import errno
import json
import os
import pickle
import shutil
from pathlib import Path

import cv2
import lmdb
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from training.interhand import heatmap_space, items, subsets, table
from training.interhand.batches import EvaluationBatches, TrainingBatches
from training.interhand.dataset import InterHand, network_input
from training.interhand.errors import DataError
from training.interhand.pickles import read_pickle
from training.interhand.raw import SplitFiles
from training.interhand.table import open_table, prepare_table, table_folder
from training.interhand.variations import Variations

REFERENCE = Path(__file__).resolve().parents[4] / "shared" / "reference"
needs_reference = pytest.mark.skipif(
    not REFERENCE.is_dir(), reason="../shared/reference is not there"
)


def whole(data, epoch=0):
    return data.__getitems__([(i, epoch) for i in range(len(data))])


def test_single_hands_come_first(data_root):
    data = InterHand(data_root, "train")
    assert data.truth().hands.all(dim=1).tolist() == [False] * 4 + [True] * 3


def test_targets_lie_where_the_hand_was_drawn(data_root):
    batch = whole(InterHand(data_root, "val"))
    image = network_input(batch)
    for i in range(len(image)):
        for joint in torch.nonzero(batch.targets.joint_valid[i])[:, 0].tolist():
            x, y = (batch.targets.joints_25d[i, joint, :2] * 4).round().int().tolist()
            if 0 <= x < 256 and 0 <= y < 256:
                assert image[i, 0, y, x] > 0.5, (i, joint)
    assert batch.targets.parts_valid.tolist() == [1.0] * 7
    assert set(batch.targets.parts.unique().tolist()) == {0, 9, 25}


def test_truth_and_targets_are_one(data_root):
    data = InterHand(data_root, "test", "rootnet")
    batch, truth = whole(data), data.truth()
    depth = truth.joints_camera[:, :21, 2] - truth.joints_camera[:, 20:21, 2]
    cells = heatmap_space.depth_to_cells(depth)
    valid = batch.targets.joint_valid[:, :21] > 0
    assert torch.allclose(
        batch.targets.joints_25d[:, :21, 2][valid].double(), cells[valid], atol=1e-3
    )
    assert (truth.wrist_depth - truth.joints_camera[:, [20, 41], 2]).abs().max() > 1


@pytest.mark.parametrize("name", subsets.NAMES)
def test_every_subset_opens(data_root, name):
    assert 1 <= len(InterHand(data_root, name)) <= 7


def test_an_item_varies_with_the_epoch_alone(data_root):
    one, two = (InterHand(data_root, "train", variations=Variations()) for _ in range(2))
    batch = whole(one)
    alone = two.__getitems__([(5, 0)])
    assert torch.equal(batch.images[5], alone.images[0])
    assert torch.equal(batch.targets.joints_25d[5], alone.targets.joints_25d[0])
    assert not torch.equal(batch.images, whole(one, epoch=1).images)


def test_labels_are_every_second_pixel_of_the_patch(data_root):
    data = InterHand(data_root, "train", variations=Variations())
    masks = [data.store.labels(data.key(i), (200, 160)) for i in range(len(data))]
    masks = torch.from_numpy(np.stack(masks))
    annotations, _ = data._annotations(data.rows)
    for epoch in range(3):
        factors = data._factors([(i, epoch) for i in range(len(data))])
        maps = items.maps_for(annotations, factors, 200)
        parts = items.make_parts(masks, maps, factors, annotations.labels_valid)
        assert torch.equal(whole(data, epoch).targets.parts, parts)
        assert len(parts.unique()) > 2


@pytest.mark.parametrize("name", ["strong_color", "blur", "jpeg", "cutout"])
def test_more_variations_change_pictures_only(data_root, name):
    plain = whole(InterHand(data_root, "train", variations=Variations()))
    varied = whole(InterHand(data_root, "train", variations=Variations(**{name: True})))
    changed = (plain.images != varied.images).flatten(1).any(dim=1)
    assert 0 < changed.sum() < len(changed)
    assert torch.equal(plain.targets.parts, varied.targets.parts)


def test_background_is_replaced_outside_the_masks(data_root, tmp_path):
    path = tmp_path / "green.png"
    cv2.imwrite(str(path), np.full((50, 80, 3), (0, 255, 0), np.uint8))
    plain = whole(InterHand(data_root, "train", variations=Variations()))
    varied = whole(InterHand(data_root, "train", variations=Variations(backgrounds=(path,))))
    hand = varied.targets.parts.bool().repeat_interleave(2, 1).repeat_interleave(2, 2)
    far = ~torch.nn.functional.max_pool2d(hand.float(), 15, 1, 7).bool()
    changed = (plain.images != varied.images).any(dim=1).flatten(1).any(dim=1)
    assert 0 < changed.sum() < len(changed)
    for i in torch.nonzero(changed)[:, 0].tolist():
        outside = varied.images[i][:, far[i]].float().mean(dim=1)
        assert outside[1] > 240 and outside[0] < 15


def test_processes_share_training_batches_and_lose_none():
    single = TrainingBatches(50, 4, seed=3)
    shares = [TrainingBatches(50, 4, rank, 2, seed=3) for rank in (0, 1)]
    for batches in (single, *shares):
        batches.set_epoch(2)
    alternating = [b for pair in zip(*map(list, shares), strict=True) for b in pair]
    assert alternating == list(single)[:12]
    shares[0].skip = 4
    assert list(shares[0]) == [alternating[8], alternating[10]]
    assert len(list(shares[0])) == 6


def test_small_sets_make_one_batch():
    assert len(list(TrainingBatches(8, 32))) == 1
    assert [len(b) for b in TrainingBatches(8, 32, 1, 2)] == [4]


@pytest.mark.parametrize("world", [1, 2, 3])
def test_evaluation_takes_each_item_once(world):
    shares = [list(EvaluationBatches(7, 2, rank, world)) for rank in range(world)]
    assert sorted(index for share in shares for batch in share for index, _ in batch) == list(
        range(7)
    )


def test_arrays_are_made_anew_only_when_a_file_changed(data_root):
    files = SplitFiles(data_root, "val")
    assert prepare_table(files)
    assert not prepare_table(files)
    path = files.annotation("data.json")
    data = json.loads(path.read_text())
    del data["images"][0], data["annotations"][0]
    path.write_text(json.dumps(data))
    assert len(open_table(files)) == 6


def test_what_a_killed_run_left_is_cleared_away(data_root):
    folder = table_folder(SplitFiles(data_root, "val"))
    leftover = folder.with_name(".val.unfinished")
    leftover.mkdir(parents=True)
    (leftover / "boxes.npy").write_bytes(b"half")
    assert len(open_table(SplitFiles(data_root, "val"))) == 7
    assert {path.name for path in folder.parent.iterdir()} == {"val", ".lock"}


def test_a_full_disk_leaves_nothing_behind(data_root, monkeypatch):
    def full(path, array):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    folder = table_folder(SplitFiles(data_root, "val"))
    with monkeypatch.context() as broken, pytest.raises(DataError, match="No space left"):
        broken.setattr(table.np, "save", full)
        open_table(SplitFiles(data_root, "val"))
    assert [path.name for path in folder.parent.iterdir()] == [".lock"]
    assert len(open_table(SplitFiles(data_root, "val"))) == 7


def test_arrays_are_the_same_in_small_chunks(data_root, monkeypatch):
    files = SplitFiles(data_root, "val")
    wanted = {name: np.array(values) for name, values in vars(open_table(files)).items()}
    shutil.rmtree(table_folder(files))
    monkeypatch.setattr(table, "CHUNK", 3)
    for name, values in vars(open_table(files)).items():
        assert np.array_equal(values, wanted[name], equal_nan=values.dtype.kind == "f"), name


def test_annotation_pickle_serves_without_the_json(data_root):
    before = np.array(open_table(SplitFiles(data_root, "val")).boxes)
    SplitFiles(data_root, "val").annotation("data.json").unlink()
    assert np.array_equal(open_table(SplitFiles(data_root, "val")).boxes, before)


def test_pickles_run_nothing(tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps({"a": Evil()}))
    with pytest.raises(DataError, match=r"evil\.pkl: wants .*refuses"):
        read_pickle(path)
    assert not (tmp_path / "ran").exists()
    # Found by fuzzing: an index of five bytes into the memo took 30 GB, a length what it says.
    for bomb in (b"\x80\x04Nr\xff\xff\xff\x7f.", b"\x80\x05\x96" + (1 << 34).to_bytes(8, "little")):
        path.write_bytes(bomb)
        with contextlib.suppress(DataError):
            assert read_pickle(path) is None
    path.write_bytes(pickle.dumps({"a": np.float32(1), "b": np.arange(3), "c": None}))
    assert read_pickle(path)["b"].tolist() == [0, 1, 2]


def edit(path, change):
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


BAD = {
    "missing joints": (
        lambda f: f.annotation("joint_3d.json").unlink(),
        "joint_3d.json: no such file",
    ),
    "no camera": (
        lambda f: edit(f.annotation("camera.json"), lambda d: d["0"]["focal"].pop("400002")),
        "camera.json: annotation 2 needs focal of camera 400002",
    ),
    "no frame": (
        lambda f: edit(f.annotation("joint_3d.json"), lambda d: d["0"].pop("3")),
        "joint_3d.json: annotation 3 needs frame 3",
    ),
    "v0.0": (
        lambda f: edit(f.annotation("joint_3d.json"), lambda d: d["0"].update({"1": [[0, 0, 0]]})),
        "no world_coord; expected InterHand2.6M v1.0",
    ),
    "cut off": (
        lambda f: f.annotation("data.json").write_text('{"images": ['),
        "data.json: damaged",
    ),
    "lists of two lengths": (
        lambda f: edit(f.annotation("data.json"), lambda d: d["annotations"].pop()),
        "data.json: only 6 annotations but more images",
    ),
    "other file": (lambda f: f.annotation("data.json").write_text("[1, 2]"), "no images and"),
    "no rootnet": (lambda f: f.rootnet.unlink(), "give --trans_test gt"),
    # From here on found by fuzzing: Python's own errors came through.
    "nested deeply": (
        lambda f: f.annotation("camera.json").write_text("[" * 10**5),
        "camera.json: damaged",
    ),
    "number of 400 digits": (
        lambda f: edit(f.annotation("data.json"), lambda d: d["images"][0].update(width=10**400)),
        "data.json: (row 0 is malformed|damaged)",
    ),
    "negative size": (
        lambda f: edit(f.annotation("data.json"), lambda d: d["images"][0].update(height=-1)),
        "row 0 is malformed .-1 where a whole number",
    ),
    "leads out of the folder": (
        lambda f: edit(
            f.annotation("data.json"), lambda d: d["images"][0].update(file_name="../a")
        ),
        "row 0 is malformed .'../a' is no file's name",
    ),
    "camera is text": (
        lambda f: edit(
            f.annotation("camera.json"), lambda d: d["0"]["campos"].update({"400001": "a"})
        ),
        "annotation 1 needs campos of camera 400001 in capture 0, which is not 3 finite numbers",
    ),
    "cameras are a list": (lambda f: f.annotation("camera.json").write_text("[1]"), "needs campos"),
    "joints are text": (
        lambda f: edit(
            f.annotation("joint_3d.json"), lambda d: d["0"]["1"].update(world_coord="a")
        ),
        "frame 1 has no 42x3 world_coord",
    ),
    "joints are null": (lambda f: f.annotation("joint_3d.json").write_text("null"), "needs frame"),
    "rootnet without an id": (
        lambda f: edit(f.rootnet, lambda d: d[0].pop("annot_id")),
        "entry 0 is not annot_id",
    ),
    "rootnet's box is text": (
        lambda f: edit(f.rootnet, lambda d: d[2].update(bbox="a")),
        "entry 2 is not annot_id",
    ),
    "rootnet's box is nothing": (
        lambda f: edit(f.rootnet, lambda d: d[1].update(bbox=[1, 1, 0, 0])),
        "entry 1 is not annot_id",
    ),
    "rootnet is null": (lambda f: f.rootnet.write_text("null"), "entry 0 is not annot_id"),
    "list of fits is a number": (
        lambda f: f.fits.write_bytes(pickle.dumps(3)),
        "no mapping from pictures to fits",
    ),
    "pickle without annotations": (
        lambda f: (
            f.annotation("data.json").unlink(),
            f.annotation("data.pkl").write_bytes(pickle.dumps({1: "a"})),
        ),
        "data.pkl: entry 1 has no annotation",
    ),
}


@pytest.mark.parametrize("fault", BAD)
def test_bad_annotations_are_named(data_root, fault):
    spoil, expected = BAD[fault]
    spoil(SplitFiles(data_root, "val"))
    with pytest.raises(DataError, match=expected) as error:
        InterHand(data_root, "val", "rootnet")
    assert str(error.value).isprintable()


ARRAYS = {
    "another shape": ("sizes", np.ones((7, 3), np.int32), "sizes is int32"),
    "another type": ("boxes", np.ones((7, 4), np.int32), "boxes is int32"),
    "other rows": ("fitted", np.ones((6, 2), np.int8), "fitted is int8"),
    "a camera that is not there": ("camera", np.full(7, 99, np.int32), "names rows"),
}


@pytest.mark.parametrize("fault", ARRAYS)
def test_arrays_that_do_not_go_together_are_refused(data_root, fault):
    """Found by fuzzing: what a header said was taken as it was."""
    name, array, expected = ARRAYS[fault]
    files = SplitFiles(data_root, "val")
    open_table(files)
    np.save(table_folder(files) / f"{name}.npy", array)
    with pytest.raises(DataError, match=f"annotations/val: damaged .*{expected}.*delete"):
        open_table(files)


def test_a_header_that_breaks_off_is_refused(data_root):
    """Found by fuzzing: numpy lets the tokenizer's error through."""
    files = SplitFiles(data_root, "val")
    open_table(files)
    path = table_folder(files) / "ids.npy"
    path.write_bytes(path.read_bytes().replace(b"}", b" "))
    with pytest.raises(DataError, match="annotations/val: damaged .*delete"):
        open_table(files)


def test_truncated_jpeg_is_named(data_root):
    data = InterHand(data_root, "val")
    path = data_root / "images" / data.key(2)
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(DataError, match=f"{path.name}: damaged or truncated"):
        data[2]


def test_mask_of_another_size_is_named(data_root):
    data = InterHand(data_root, "val")
    key = data.key(2).replace("jpg", "png").encode()
    with lmdb.open(str(data_root / "segm_32.lmdb"), map_size=1 << 30) as masks:
        with masks.begin(write=True) as transaction:
            transaction.put(key, cv2.imencode(".png", np.zeros((9, 9), np.uint8))[1].tobytes())
    with pytest.raises(DataError, match="a mask of 9x9 for a picture of 200x160"):
        data[2]


def test_workers_read_what_this_process_has_open(data_root):
    data = InterHand(data_root, "val")
    here = whole(data)
    loader = DataLoader(
        data, batch_sampler=EvaluationBatches(7, 4), num_workers=2, collate_fn=lambda batch: batch
    )
    for _ in range(2):
        assert torch.equal(torch.cat([batch.images for batch in loader]), here.images)


def test_missing_mask_is_no_fault(data_root):
    shutil.rmtree(data_root / "segm_32.lmdb")
    batch = whole(InterHand(data_root, "val"))
    assert not batch.targets.parts_valid.any()


def test_arrays_can_be_thrown_away(data_root):
    files = SplitFiles(data_root, "val")
    prepare_table(files)
    (table_folder(files) / "boxes.npy").write_bytes(b"")
    with pytest.raises(DataError, match="delete the folder"):
        open_table(files)


@needs_reference
def test_reads_the_release_s_artefacts(tmp_path):
    root = shutil.copytree(REFERENCE / "mini_interhand", tmp_path / "mini")
    batch = whole(InterHand(root, "val", "rootnet"))
    assert batch.images.shape == (8, 3, 256, 256)
    assert batch.targets.parts_valid.tolist() == [1, 1, 1, 0, 1, 1, 0, 1]
    # From the release's LMDB and from the files themselves: the same hands on the same places.
    shutil.rmtree(root / "images" / "interhand.lmdb")
    files = whole(InterHand(root, "val", "rootnet"))
    difference = (files.images.float() - batch.images.float()).abs().mean()
    assert difference < 2, "red and blue exchanged, or other pictures"


@needs_reference
def test_reads_real_annotations(tmp_path):
    sample, root = REFERENCE / "interhand_sample", tmp_path / "sample"
    folder = root / "annotations" / "test"
    folder.mkdir(parents=True)
    for kind in ("camera", "data", "joint_3d"):
        name = f"InterHand2.6M_test_{kind}.json"
        shutil.copy(sample / f"test_interhand2.6m_{kind}.json", folder / name)
    (root / "images").mkdir()
    (root / "images" / "test").symlink_to(sample, target_is_directory=True)
    data = InterHand(root, "test")
    batch = whole(data)
    assert len(data) == 4
    valid = batch.targets.joint_valid.sum(dim=1)
    assert (valid >= 21).all() and batch.targets.hands.sum() >= 4
    # Real hands are brighter than the dark studio about them.
    image = network_input(batch).mean(dim=1)
    for i in range(4):
        at = (batch.targets.joints_25d[i, :, :2] * 4).round().long().clamp(0, 255)
        at = at[batch.targets.joint_valid[i] > 0]
        assert image[i][at[:, 1], at[:, 0]].mean() > 1.15 * image[i].mean()
