# SPDX-License-Identifier: Apache-2.0
"""The command on real files: the bundled clip, whose truth is known, and what is no picture."""

import json
import os
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.clip import CLIP, read_truth
from digit_core import weights
from training.default_weights.photos import read_photos
from training.label_photos.__main__ import main
from training.label_photos.looks import numbered, whole_looks
from training.label_photos.mediapipe_process import MediaPipeTeacher
from training.label_photos.sources import files_of
from training.label_photos.store import Store, assign_splits
from training.label_photos.work import Teaching

EVERY = 40
VENV = Path(os.environ.get("MEDIAPIPE_VENV", "/nowhere"))
needs_weights = pytest.mark.skipif(not weights.BUNDLED.is_file(), reason="no bundled weights")
needs_mediapipe = pytest.mark.skipif(
    not (VENV / "bin" / "python").is_file(),
    reason="MEDIAPIPE_VENV names no environment with requirements/mediapipe.txt",
)


def read(folder: Path) -> list[dict]:
    return json.loads((folder / "labels.json").read_text())


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """The bundled clip labelled by the bundled weights; a file that is no picture beside it."""
    root = tmp_path_factory.mktemp("label")
    (root / "in").mkdir()
    shutil.copy(CLIP, root / "in" / "clip.mp4")
    (root / "in" / "broken.jpg").write_bytes(b"no picture")
    (root / "in" / "notes.txt").write_text("not looked at")
    arguments = [str(root / "in"), str(root / "out"), "--every", str(EVERY), "--device", "cpu"]
    assert main([*arguments, "--longer-side", "320"]) == 2  # for broken.jpg
    return root, arguments


@needs_weights
def test_labels_of_the_clip_lie_on_its_truth(work):
    root, _ = work
    truth, told = read_truth(CLIP), 0
    for entry in read(root / "out"):
        frame = int(entry["source"].rsplit("#", 1)[1])
        image = cv2.imread(str(root / "out" / entry["image"]))
        assert image.shape[:2] == (entry["height"], entry["width"]) == (240, 320)
        for hand in entry["hands"]:
            there = truth.joints_2d[frame, ["right", "left"].index(hand["side"])]
            joints = (np.array(hand["keypoints_2d"]) + 0.5) * 2 - 0.5
            off = np.median(np.linalg.norm(joints - there, axis=1)) / np.ptp(there, axis=0).max()
            assert off < 0.12, f"frame {frame}, {hand['side']}: off by {off:.2f}"
            assert hand["support"] >= 4 and len(hand["sure"]) == 21
            told += 1
    assert told >= 3


@needs_weights
def test_what_is_written_is_what_training_reads(work):
    root, _ = work
    photos = read_photos([root / "out"], None)
    assert photos and {p.repository for p in photos} == {"own/in_clip"}
    assert (root / "out" / "sheet.png").is_file()
    assert not list((root / "out").rglob("*.part"))


@needs_weights
def test_the_same_command_goes_on_where_it_was_stopped(work, capsys):
    root, arguments = work
    before = read(root / "out")
    gone = before.pop(1)
    before[0]["note"] = "a user's own key stays"
    (root / "out" / "labels.json").write_text(json.dumps(before))
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert ": 1 new;" in said.out and "broken.jpg" in said.err
    after = read(root / "out")
    assert [e["image"] for e in after] == sorted([e["image"] for e in before] + [gone["image"]])
    assert after[0] == before[0] and after[1]["hands"]


@needs_weights
def test_several_processes_tell_the_same(work, tmp_path):
    root, arguments = work
    arguments = [*arguments[:1], str(tmp_path / "out"), *arguments[2:], "--longer-side", "320"]
    assert main([*arguments, "--jobs", "2"]) == 2

    def hands(folder):
        return {e["image"]: [h["side"] for h in e["hands"]] for e in read(folder)}

    assert hands(tmp_path / "out") == hands(root / "out")


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((60, 80, 3), 90, np.uint8))
    return path


@pytest.mark.parametrize("output", ["in", "in/out", "."])
def test_an_output_that_overlaps_an_input_is_refused(tmp_path, capsys, output):
    picture(tmp_path / "in" / "a.png")
    assert main([str(tmp_path / "in"), str(tmp_path / output)]) == 2
    assert "overlaps the input" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.png", "in"]


@pytest.mark.parametrize(
    "more, said",
    [
        (["--teacher", "both"], "give --mediapipe VENV"),
        (["--mediapipe", "/nowhere"], "/nowhere: no virtual environment"),
        (["--weights", "/nowhere.safetensors"], "no such weights file"),
        (["--device", "abacus"], "device 'abacus' is not available"),
    ],
)
def test_teachers_that_cannot_be_had_are_named(tmp_path, capsys, more, said):
    picture(tmp_path / "in" / "a.png")
    assert main([str(tmp_path / "in"), str(tmp_path / "out"), *more]) == 2
    assert said in capsys.readouterr().err


def test_inputs_that_hold_nothing_are_named(tmp_path, capsys):
    assert main([str(tmp_path / "none"), str(tmp_path / "out")]) == 2
    assert "none: no such file or folder" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main([str(tmp_path / "empty"), str(tmp_path / "out")]) == 2
    assert "holds no picture and no video" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["{", "[1]", '{"a": 1}', '[{"image": 3}]'])
def test_a_labels_file_of_something_else_is_left_alone(tmp_path, capsys, content):
    picture(tmp_path / "in" / "a.png")
    labels = tmp_path / "out" / "labels.json"
    labels.parent.mkdir()
    labels.write_text(content)
    assert main([str(tmp_path / "in"), str(tmp_path / "out")]) == 2
    assert "no list of labelled pictures" in capsys.readouterr().err
    assert labels.read_text() == content


def test_an_environment_without_mediapipe_is_told_in_one_sentence(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    teacher = MediaPipeTeacher(tmp_path)
    with pytest.raises(ValueError, match=r"MediaPipe failed: \w+: No module named '\w+'$"):
        teacher.see(np.zeros((60, 80, 3), np.uint8), numbered(whole_looks(80, 60), 0))


@needs_mediapipe
def test_mediapipe_votes(tmp_path):
    """The clip's rendered hands, by MediaPipe alone: where it tells hands they are on the truth."""
    labeller = Teaching("mediapipe", VENV, device="cpu").labeller()
    video, truth = cv2.VideoCapture(str(CLIP)), read_truth(CLIP)
    frame = cv2.cvtColor(video.read()[1], cv2.COLOR_BGR2RGB)
    result = labeller.label(frame)
    labeller.close()
    assert result.hands
    for hand in result.hands:
        there = truth.joints_2d[0, ["right", "left"].index(hand.side)]
        off = np.median(np.linalg.norm(hand.joints - there, axis=1)) / np.ptp(there, axis=0).max()
        assert off < 0.1
        assert hand.world is not None and 0.05 < np.ptp(hand.world, axis=0).max() < 0.3


def entries(**counts):
    return [
        {"image": f"{group}{i}", "source": f"own/{group}/{i}"}
        for group, n in counts.items()
        for i in range(n)
    ]


def shares(some):
    return {s: sum(e["split"] == s for e in some) for s in ("train", "val")}


def test_a_fifth_is_held_out_whole_groups_together():
    some = entries(**{f"g{i:02d}": 10 for i in range(20)})
    assign_splits(some)
    assert shares(some) == {"train": 160, "val": 40}
    for group in {e["source"].split("/")[1] for e in some}:
        assert len({e["split"] for e in some if e["source"].split("/")[1] == group}) == 1


def test_of_one_video_the_end_is_held_out():
    some = entries(clip=50)
    assign_splits(some)
    assert [e["split"] for e in some] == ["train"] * 40 + ["val"] * 10


def test_splits_stay_as_they_are_when_pictures_are_added():
    some = entries(**{f"g{i}": 10 for i in range(6)})
    assign_splits(some)
    before = {e["image"]: e["split"] for e in some}
    more = entries(**{f"g{i}": 12 for i in range(9)})
    for entry in more:
        if entry["image"] in before:
            entry["split"] = before[entry["image"]]
    assign_splits(more)
    assert all(e["split"] == before[e["image"]] for e in more if e["image"] in before)
    assert all(len({e["split"] for e in more[i : i + 12]}) == 1 for i in range(0, 108, 12))


def test_sub_folders_are_groups_and_other_files_are_not_looked_at(tmp_path):
    for name in ("in/a.png", "in/x/b.JPG", "in/x/y/c.png", "d.png"):
        picture(tmp_path / name) if name[-3:] == "png" else shutil.copy(
            picture(tmp_path / "in/x/b.png"), tmp_path / name
        )
    (tmp_path / "in" / "x" / "b.png").unlink()
    (tmp_path / "in" / "read.me").write_text("")
    found = files_of([tmp_path / "in"])
    assert [(g, p.name) for g, p in found] == [
        ("in", "a.png"),
        ("in_x", "b.JPG"),
        ("in_x_y", "c.png"),
    ]


def test_a_picture_that_was_deleted_is_labelled_again(tmp_path):
    store = Store(tmp_path)
    image = np.zeros((40, 60, 3), np.uint8)
    for name in "ab":
        store.add(name, image, {"source": f"own/x/{name}", "hands": [], "complete": True})
    store.save()
    (tmp_path / "pictures" / "a.jpg").unlink()
    assert Store(tmp_path).names == {"b"}
