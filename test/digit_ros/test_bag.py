# SPDX-License-Identifier: Apache-2.0
"""Recordings: read, answered, written, interrupted, broken; real bags through the real network."""

import os
import pickle
import re
import signal
import struct
import subprocess
import zlib
from array import array
from pathlib import Path

import cv2
import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header, String
from tf2_msgs.msg import TFMessage

from digit_core.camera import Camera
from digit_core.estimator import DigitEstimator
from digit_ros.bag.__main__ import main as bag
from digit_ros.images import image_from_array
from digit_ros.messages import wrist_transforms
from digit_ros.msg import TwoHandSkeleton
from digit_ros.player import intrinsics

rosbag2 = pytest.importorskip("rosbags.rosbag2", reason="rosbags is not installed")
typesys = pytest.importorskip("rosbags.typesys")

CLIPS = Path(__file__).parents[2] / "clips"
FRAMES = 16
TYPES = {
    kind: f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"
    for kind in (Image, CompressedImage, CameraInfo, String, TFMessage)
}


def frames(count):
    """The first `count` pictures of the bundled clip, RGB."""
    capture = cv2.VideoCapture(str(CLIPS / "two_hands.mp4"))
    return [cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB) for _ in range(count)]


def header(number):
    message = Header(frame_id="eye")
    message.stamp.sec, message.stamp.nanosec = 100 + number // 25, number % 25 * 40_000_000
    return message


def write(path, rows, storage="MCAP"):
    """A bag of (topic, nanoseconds, message) rows."""
    store = typesys.get_typestore(typesys.Stores.LATEST)
    plugin = rosbag2.StoragePlugin[storage]
    with rosbag2.Writer(path, version=9, storage_plugin=plugin) as writer:
        connections = {}
        for topic, stamp_ns, message in rows:
            if topic not in connections:
                kind = TYPES[type(message)]
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            writer.write(connections[topic], stamp_ns, serialize_message(message))
    return path


def read(path):
    """[(topic, type, nanoseconds, CDR)] in order, a recording's QoS left out."""
    with rosbag2.Reader(path) as reader:
        return [(c.topic, c.msgtype, t, bytes(data)) for c, t, data in reader.messages()]


def on(rows, topic, kind):
    return [deserialize_message(data, kind) for name, _, _, data in rows if name == topic]


def log_ns(message):
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec + 7_000_000


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """A camera's raw images and CameraInfo, a text, and somebody's /tf."""
    rows = []
    for number, picture in enumerate(frames(FRAMES)):
        image = image_from_array(picture, "rgb8", header(number))
        info = intrinsics.from_sidecar(CLIPS / "two_hands.json", 640, 480)
        info.header = image.header
        # The first CameraInfo comes after the first image.
        rows += [("/cam/image_raw", log_ns(image), image)]
        rows += [("/cam/camera_info", log_ns(image) + 1000, info)]
    rows += [("/note", rows[3][1], String(data="hello")), ("/tf", rows[4][1], TFMessage())]
    rows.sort(key=lambda row: row[1])
    return write(tmp_path_factory.mktemp("bags") / "recording", rows)


@pytest.fixture(scope="module")
def whole(recording):
    """The recording's bag with hands, written in one go."""
    output = recording.with_name("whole")
    assert bag([str(recording), str(output), "--topics", "skeleton_raw", "segmentation"]) == 0
    return output


def test_all_that_was_recorded_is_there_and_every_image_is_answered(recording, whole):
    before, after = read(recording), read(whole)
    theirs = [row for row in after if row in before]
    assert [row for row in theirs if row[0] != "/tf"] == [r for r in before if r[0] != "/tf"]
    images = [(t, d) for topic, _, t, d in before if topic == "/cam/image_raw"]
    skeletons = [(t, d) for topic, _, t, d in after if topic == "/skeleton"]
    assert [t for t, _ in skeletons] == [t for t, _ in images]
    for (_, image), (_, skeleton) in zip(images, skeletons, strict=True):
        stamp = deserialize_message(image, Image).header
        assert deserialize_message(skeleton, TwoHandSkeleton).header == stamp
    assert len(on(after, "/skeleton_raw", TwoHandSkeleton)) == FRAMES
    assert len(on(after, "/label_info", String)) == 1
    assert not whole.with_name("whole.part").exists()


def test_answers_are_the_trackers_and_tf_is_the_wrists(recording, whole):
    rows = read(whole)
    skeletons = on(rows, "/skeleton", TwoHandSkeleton)
    track = DigitEstimator.load().tracker()
    info = on(rows, "/cam/camera_info", CameraInfo)[0]
    camera = Camera.from_camera_info(info, rectified=False)
    for number, (picture, skeleton) in enumerate(zip(frames(3), skeletons, strict=False)):
        hands = track(picture, camera, 100 + 0.04 * number)
        pixels = np.reshape(skeleton.right.pixels, (21, 2))
        assert np.allclose(pixels, hands.right.joints_2d, atol=1e-3)
        assert skeleton.right.wrist.position.z == pytest.approx(hands.right.joints_3d[0, 2])
    sent = [m.transforms for m in on(rows, "/tf", TFMessage) if m.transforms]
    assert sent == [t for t in map(wrist_transforms, skeletons) if t] and len(sent) > FRAMES / 2
    labels = on(rows, "/segmentation", Image)
    assert len(labels) == FRAMES and {(m.width, m.height, m.encoding) for m in labels} == {
        (640, 480, "mono8")
    }
    assert max(max(m.data) for m in labels[:3]) > 0


# Torch takes its time to start on a busy machine.
@pytest.mark.timeout(900)
def test_killed_in_the_middle_it_goes_on_to_the_same_bag(
    recording, whole, start_process, wait_until, tmp_path
):
    output = tmp_path / "again"
    command = ["python", "-m", "digit_ros.bag", recording, output]
    command += ["--topics", "skeleton_raw", "segmentation"]
    journal = tmp_path / "again.part" / "journal"
    process = start_process(*command)
    wait_until(lambda: journal.exists() and journal.stat().st_size > 1_000_000, 250, "five images")
    process._popen.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL and not output.exists()
    with journal.open("ab") as file:
        # A record that was being written, and what a power cut leaves.
        file.write(journal.read_bytes()[-100_000:-50] + bytes(500))
    second = start_process(*command)
    assert second.wait(250) == 0
    now = int(second.wait_for(r"(\d+) of them now").group(1))
    assert 0 < now < FRAMES - 2
    assert read(output) == read(whole)


class Mark:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def framed(*contents):
    """A journal of these frames, each with the checksum that it ought to have."""
    return b"".join(struct.pack("<II", len(c), zlib.crc32(c)) + c for c in contents)


def split(journal):
    """The contents of a journal's frames."""
    found = []
    while journal:
        (length,) = struct.unpack_from("<I", journal)
        found.append(journal[8 : 8 + length])
        journal = journal[8 + length :]
    return found


def pickled(key, record, mark):
    return framed(pickle.dumps(Mark(mark)))


def pickled_record(key, record, mark):
    return framed(key, pickle.dumps(Mark(mark)))


def damaged_key(key, record, mark):
    return framed(key[:-1], record)


def damaged_record(key, record, mark):
    return framed(key, record[1:])


def damaged_state(key, record, mark):
    return framed(key, record.replace(b'"swaps": 0', b'"swaps": {}', 1))


@pytest.mark.parametrize(
    "spoil", [pickled, pickled_record, damaged_key, damaged_record, damaged_state]
)
def test_a_journal_that_is_none_is_refused_in_one_sentence_and_runs_no_code(
    small_recording, capsys, tmp_path, spoil
):
    recording, key, record = small_recording
    output, mark = tmp_path / "out", tmp_path / "mark"
    journal = tmp_path / "out.part" / "journal"
    journal.parent.mkdir()
    spoilt = spoil(key, record, mark)
    journal.write_bytes(spoilt)
    assert bag([str(recording), str(output)]) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith(f"bag: {journal}: is no journal of this program's (")
    assert said.endswith("); delete it to begin anew")
    assert journal.read_bytes() == spoilt and not output.exists() and not mark.exists()
    journal.write_bytes(framed(key, record))
    assert bag([str(recording), str(output)]) == 0


@pytest.fixture(scope="module")
def small_recording(tmp_path_factory):
    """Two images, and the key and the first record of their journal."""
    folder = tmp_path_factory.mktemp("small")
    images = [image_from_array(p, "rgb8", header(n)) for n, p in enumerate(frames(2))]
    rows = [("/cam/image_raw", log_ns(image), image) for image in images]
    recording = write(folder / "small", rows)
    # The journal fits into 1 MB, the bag does not.
    command = f"ulimit -f 1000; exec python -m digit_ros.bag {recording} {folder / 'out'}"
    assert subprocess.run(["bash", "-c", command], check=False).returncode == 1
    key, record, _ = split((folder / "out.part" / "journal").read_bytes())
    return recording, key, record


def test_interrupted_it_says_so(recording, start_process, wait_until, tmp_path):
    process = start_process("python", "-m", "digit_ros.bag", recording, tmp_path / "out")
    process.wait_for(r"estimating: +\d+%", 120)
    process._popen.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert "interrupted; the same command goes on from here" in process.output
    assert "Traceback" not in process.output and not (tmp_path / "out").exists()


def test_a_full_disk_loses_nothing_that_is_done(recording, whole, start_process, tmp_path):
    output = tmp_path / "out"
    command = f"python -m digit_ros.bag {recording} {output} --topics skeleton_raw segmentation"
    # No file may grow beyond 3 MB: writing fails as it does on a full disk.
    process = start_process("bash", "-c", f"ulimit -f 3000; exec {command}")
    assert process.wait(120) == 1
    assert "cannot be written: File too large; what is estimated so far is kept" in process.output
    assert "Traceback" not in process.output and not output.exists()
    done = (tmp_path / "out.part" / "journal").stat().st_size
    assert done > 1_000_000
    # The journal fits now, the bag does not.
    second = start_process("bash", "-c", f"ulimit -f 9000; exec {command}")
    assert second.wait(120) == 1 and "what is estimated is kept" in second.output
    assert not output.exists()
    assert bag([str(recording), str(output), "--topics", "skeleton_raw", "segmentation"]) == 0
    assert read(output) == read(whole)


def test_two_cameras_compressed_one_bad_image_sqlite(tmp_path, capsys):
    rows = []
    for number, picture in enumerate(frames(4)):
        for camera in ("/left", "/robot/right"):
            data = cv2.imencode(".jpg", picture[:, :, ::-1])[1].tobytes()
            if (number, camera) == (1, "/left"):
                data = b"no picture"
            image = CompressedImage(header=header(number), format="jpeg", data=array("B", data))
            rows.append((f"{camera}/image/compressed", log_ns(image), image))
    recording = write(tmp_path / "two", rows, "SQLITE3")
    topics = [f"{camera}/image/compressed" for camera in ("/left", "/robot/right")]
    flags = ["--image", topics[0], "--image", topics[1], "--fallback-hfov-deg", "60"]
    assert bag([str(recording), str(tmp_path / "out"), *flags]) == 0
    assert "1 could not be used, the first: 10 bytes of format" in capsys.readouterr().out
    rows = read(tmp_path / "out")
    assert (tmp_path / "out" / "out.db3").exists()
    assert len(on(rows, "/left/skeleton", TwoHandSkeleton)) == 3
    assert len(on(rows, "/robot/right/skeleton", TwoHandSkeleton)) == 4
    frames_sent = {t.child_frame_id for m in on(rows, "/tf", TFMessage) for t in m.transforms}
    assert "robot/right/right_wrist" in frames_sent and "left/right_wrist" in frames_sent


def truncated(recording, tmp_path):
    path = tmp_path / "cut.mcap"
    path.write_bytes((recording / "recording.mcap").read_bytes()[:100_000])
    return [path]


def text(recording, tmp_path):
    (tmp_path / "words.mcap").write_text("these are words\n" * 20)
    return [tmp_path / "words.mcap"]


def empty_folder(recording, tmp_path):
    (tmp_path / "folder").mkdir()
    return [tmp_path / "folder"]


def without_images(recording, tmp_path):
    return [write(tmp_path / "texts", [("/note", 1, String(data="hello"))])]


def two_image_topics(recording, tmp_path):
    image = image_from_array(np.zeros((4, 4), np.uint8), "mono8", Header())
    return [write(tmp_path / "both", [("/a/image", 1, image), ("/b/image", 2, image)])]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (lambda r, t: [t / "none"], "none: no such bag"),
        (truncated, "cut.mcap: not a rosbag2 that can be read: File end magic is invalid"),
        (text, "words.mcap: not a rosbag2 that can be read: File magic is invalid"),
        (empty_folder, "folder: not a rosbag2 that can be read: Expected metadata file"),
        (without_images, "has no topic of type sensor_msgs/msg/Image or"),
        (two_image_topics, "has several image topics, name one by --image: /a/image, /b/image"),
        (lambda r, t: [r, "--image", "/x"], "recording: has no topic /x; its topics are /cam/"),
        (lambda r, t: [r, "--image", "/note"], "/note is std_msgs/msg/String; expected sensor_ms"),
        (lambda r, t: [r, "--topics", "skelton"], "--topics: skelton is not known; expected some"),
        (lambda r, t: [r, "--weights", t / "w.pt"], "w.pt: no such weights file"),
        (lambda r, t: [r, "--hold-s", "-1"], "parameter hold_s is -1.0; expected a number from"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(recording, tmp_path, capsys, arguments, sentence):
    path, *flags = arguments(recording, tmp_path)
    command = [str(word) for word in (path, tmp_path / "out", *flags)]
    assert bag(command) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and said[0].startswith("bag: ") and sentence in said[0]
    assert not (tmp_path / "out").exists()


def test_a_bag_that_has_hands_already_and_one_that_is_there(recording, whole, tmp_path, capsys):
    flags = ["--image", "/cam/image_raw"]
    assert bag([str(whole), str(tmp_path / "out"), *flags]) == 1
    assert "whole: has /skeleton already; --namespace puts" in capsys.readouterr().err
    assert bag([str(recording), str(whole)]) == 1
    assert "whole: exists already" in capsys.readouterr().err


def test_damage_in_the_middle_is_said(recording, tmp_path, capsys):
    data = bytearray((recording / "recording.mcap").read_bytes())
    middle = len(data) // 2
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "metadata.yaml").write_text((recording / "metadata.yaml").read_text())
    data[60 : 60 + middle] = b"\xff" * middle
    (broken / "recording.mcap").write_bytes(data)
    assert bag([str(broken), str(tmp_path / "out")]) == 1
    assert "broken: damaged: " in capsys.readouterr().err


def rewritten(recording, path, change):
    """The recording with every message's CDR changed by `change(topic, number, cdr)`."""
    store = typesys.get_typestore(typesys.Stores.LATEST)
    plugin = rosbag2.StoragePlugin.MCAP
    with rosbag2.Writer(path, version=9, storage_plugin=plugin) as writer:
        made = {}
        for number, (topic, kind, stamp_ns, data) in enumerate(read(recording)):
            if topic not in made:
                made[topic] = writer.add_connection(topic, kind, typestore=store)
            writer.write(made[topic], stamp_ns, change(topic, number, data))
    return path


@pytest.mark.parametrize(
    ("topic", "kind"), [("/cam/image_raw", "Image"), ("/cam/camera_info", "CameraInfo")]
)
def test_messages_that_are_damaged_are_left_out_and_told(recording, tmp_path, capsys, topic, kind):
    """Found by fuzzing: the first one ended the command with rclpy's own error."""

    def cut(name, number, data):
        return data[:30] if name == topic and number < 6 else data

    broken = rewritten(recording, tmp_path / "broken", cut)
    assert bag([str(broken), str(tmp_path / "out")]) == 0
    assert f"a message of 30 bytes is no {kind}" in capsys.readouterr().out
    given, found = read(broken), read(tmp_path / "out")
    assert [row for row in found if row in given] == given
    images = [data for name, _, _, data in given if name == "/cam/image_raw" and len(data) > 30]
    assert len(on(found, "/skeleton", TwoHandSkeleton)) == len(images) > 10


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: /note", "name: [1]"),
        ("message_count: 34", "message_count: many"),
        ("message_count: 34", "message_count: -1"),
    ],
)
def test_metadata_of_other_types_is_refused(recording, tmp_path, capsys, old, new):
    """Found by fuzzing: rosbags takes them as they come, and we and tqdm failed over them."""
    broken = tmp_path / "broken"
    broken.mkdir()
    text = (recording / "metadata.yaml").read_text()
    assert old in text
    (broken / "metadata.yaml").write_text(text.replace(old, new))
    data = (recording / "recording.mcap").read_bytes()
    (broken / "recording.mcap").write_bytes(data)
    assert bag([str(broken), str(tmp_path / "out")]) == 1
    assert (
        "broken: not a rosbag2 that can be read: its metadata is damaged" in capsys.readouterr().err
    )


def test_metadata_that_nothing_needs_may_be_anything(recording, tmp_path):
    """Found by fuzzing: rosbags could not close the bag, when all was written."""
    other = tmp_path / "other"
    other.mkdir()
    text = (recording / "metadata.yaml").read_text()
    spoilt = re.sub(r"^  files:.*?(?=^  \w)", "  files: ''\n", text, flags=re.S | re.M)
    assert spoilt != text
    (other / "metadata.yaml").write_text(spoilt)
    (other / "recording.mcap").write_bytes((recording / "recording.mcap").read_bytes())
    assert bag([str(other), str(tmp_path / "out")]) == 0
