# SPDX-License-Identifier: Apache-2.0
"""`python -m digit_core` on files made here, good and broken."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from digit_core import Camera, cli
from digit_core.estimator import DigitEstimator
from digit_core.media import Media, MediaError, VideoWriter


@pytest.fixture
def run(made, camera, estimator_of, monkeypatch, capsys):
    """Run the command with painted networks; gives status, standard output and error."""
    scene = made.Scene(
        camera,
        right=made.placed_hand("right", (-0.18, 0.05, 0.6)),
        left=made.placed_hand("left", (0.18, 0.08, 0.7)),
    )
    made_estimators = []

    def load(weights, device, hand_size_m):
        made_estimators.append(estimator_of(scene))
        return made_estimators[-1]

    monkeypatch.setattr(DigitEstimator, "load", load)

    def go(*args) -> tuple[int, str, str]:
        status = cli.main([str(a) for a in args])
        out, err = capsys.readouterr()
        return status, out, err

    go.scene, go.estimators = scene, made_estimators
    return go


@pytest.fixture
def photo(tmp_path) -> Path:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.full((480, 640, 3), (10, 20, 200), np.uint8))
    return path


@pytest.fixture
def video(tmp_path) -> Path:
    path = tmp_path / "clip.mp4"
    writer = VideoWriter(path, 25.0)
    for i in range(12):
        writer.add(np.full((480, 640, 3), 20 * i, np.uint8))
    writer.close()
    return path


def test_photo_to_json(run, photo, tmp_path):
    out = tmp_path / "out.jsonl"
    status, text, err = run(photo, "--json", out, "--camera", "600,610,321,238")
    assert status == 0 and err == "" and "right 1.00" in text
    (line,) = [json.loads(line) for line in out.read_text().splitlines()]
    assert set(line) == {"source", "frame", "width", "height", "hands"}
    assert (line["source"], line["frame"], line["width"], line["height"]) == (
        str(photo), 0, 640, 480
    )  # fmt: skip
    right, left = line["hands"]
    assert set(right) == {
        "side", "confidence", "joints_2d", "joints_3d", "joints_relative", "joint_confidence"
    }  # fmt: skip
    assert (right["side"], left["side"]) == ("right", "left")
    expected = run.scene.pixels("right")
    assert np.abs(np.array(right["joints_2d"]) - expected).max() < 0.05
    assert np.array(right["joints_3d"]).shape == (21, 3)


def test_without_camera_3d_is_null_and_json_has_no_nan(run, photo, capsys):
    status, out, err = run(photo, "--json", "-")
    assert status == 0 and "NaN" not in out and str(photo) in err
    hand = json.loads(out)["hands"][0]
    assert hand["joints_3d"] is None and len(hand["joints_relative"]) == 21


def test_joints_that_are_not_there_are_null():
    joints = np.array([[1.25, 2.0], [np.nan, np.nan]], np.float32)
    assert cli._numbers(joints, 1) == [[1.2, 2.0], None]
    assert cli._numbers(np.array([np.nan, 0.5]), 2) == [None, 0.5]


def test_video_is_tracked_and_photos_are_not(run, video, photo, tmp_path):
    out = tmp_path / "out.jsonl"
    status, text, _ = run(video, photo, photo, "--json", out)
    assert status == 0 and "12 frames, right in 12, left in 12" in text
    frames = [json.loads(line)["frame"] for line in out.read_text().splitlines()]
    assert frames == [*range(12), 0, 0]
    # once for the whole video, and once for each photo
    assert run.estimators[0].networks.detector.calls == 3


def test_overlays_are_drawn_beside_each_other(run, video, photo, tmp_path):
    folder = tmp_path / "a" / "b"
    (tmp_path / "other").mkdir()
    twin = tmp_path / "other" / "photo.png"
    twin.write_bytes(photo.read_bytes())
    assert run(photo, twin, video, "--overlay", folder)[0] == 0
    assert sorted(p.name for p in folder.iterdir()) == ["clip.mp4", "photo.jpg", "photo_2.jpg"]
    drawn = cv2.imread(str(folder / "photo.jpg"))
    assert drawn.shape == (480, 640, 3)
    assert np.abs(drawn.astype(int) - (10, 20, 200)).max() > 100  # and the colours are BGR again
    assert np.abs(drawn[5, 5].astype(int) - (10, 20, 200)).max() < 6
    assert len(list(Media.open(folder / "clip.mp4").frames())) == 12


def break_files(tmp_path: Path, photo: Path, video: Path) -> dict[Path, str]:
    def put(name: str, data: bytes) -> Path:
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return {
        tmp_path / "missing.jpg": "no such file",
        tmp_path: "no such file",
        put("empty.mp4", b""): "empty",
        put("text.mp4", b"this is no video\n" * 100): "neither a picture nor a video",
        put("noise.avi", bytes(range(256)) * 50): "neither a picture nor a video",
        put("cut.png", photo.read_bytes()[:200]): "damaged",
        put("cut.mp4", video.read_bytes()[:800]): "neither a picture nor a video",
    }


def test_bad_files_get_one_sentence_each_and_the_rest_goes_on(run, photo, video, tmp_path):
    bad = break_files(tmp_path, photo, video)
    out = tmp_path / "out.jsonl"
    status, text, err = run(*bad, photo, "--json", out)
    assert status == 1
    lines = err.splitlines()
    assert len(lines) == len(bad)
    for line, (path, sentence) in zip(lines, bad.items(), strict=True):
        assert str(path) in line and sentence in line
    assert "Traceback" not in err and f"{photo}:" in text
    assert len(out.read_text().splitlines()) == 1


def test_a_video_that_breaks_off_gives_its_frames_and_an_error(tmp_path, photo, monkeypatch):
    path = tmp_path / "clip.avi"
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), codec, 25.0, (64, 48))
    rng = np.random.default_rng(0)
    for _ in range(40):
        writer.write(rng.integers(0, 255, (48, 64, 3), np.uint8))
    writer.release()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    frames, media = [], Media.open(path)
    with pytest.raises(MediaError, match="breaks off|without a readable frame"):
        frames.extend(media.frames())


@pytest.mark.parametrize("camera", ["1,2,3", "a,b,c,d", "0,600,1,1", "nan,1,1,1", "1,2,3,4,5"])
def test_bad_camera_argument(run, photo, capsys, camera):
    with pytest.raises(SystemExit) as stop:
        cli.main([str(photo), "--camera", camera])
    assert stop.value.code == 2
    assert "expected four numbers fx,fy,cx,cy" in capsys.readouterr().err


def test_output_that_cannot_be_made_is_said_first(run, photo, tmp_path):
    status, _, err = run(photo, "--json", tmp_path / "no" / "folder.jsonl")
    assert status == 1 and "folder.jsonl" in err and len(err.splitlines()) == 1
    status, _, err = run(photo, "--overlay", photo)
    assert status == 1 and str(photo) in err


def test_wrong_weights_end_the_real_command_without_a_traceback(photo, tmp_path):
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"not a checkpoint")
    result = subprocess.run(
        [sys.executable, "-m", "digit_core", str(photo), "--weights", str(weights)],
        capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=120,
    )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1 and "weights.pt" in result.stderr


def test_camera_argument_is_fx_fy_cx_cy():
    assert cli._camera("600,610,321,238") == Camera(600, 610, 321, 238)
