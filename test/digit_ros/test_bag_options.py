# SPDX-License-Identifier: Apache-2.0
"""Every option of the recordings command changes what is written, or is refused by name."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from digit_core import weights as core_weights
from digit_ros import loading
from digit_ros.bag import __main__ as command
from digit_ros.images import image_from_array
from digit_ros.msg import TwoHandSkeleton

rosbag2 = pytest.importorskip("rosbags.rosbag2", reason="rosbags is not installed")
typesys = pytest.importorskip("rosbags.typesys")

CLIPS = Path(__file__).parents[2] / "clips"
CAM, BARE = "/cam/image_raw", "/bare/image_raw"

if not core_weights.BUNDLED.is_file():
    pytest.skip(f"{core_weights.BUNDLED.name} is missing", allow_module_level=True)


def faded(picture, share):
    return cv2.addWeighted(picture, share, np.full_like(picture, 90), 1 - share, 0)


def pictures():
    """One faint hand, then both clear, then fading away, then back; (seconds, picture)."""
    capture = cv2.VideoCapture(str(CLIPS / "two_hands.mp4"))
    frames = [cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB) for _ in range(10)]
    frames[0][:, 320:] = frames[0][:, 320:].mean()
    shares = (0.12, 1, 1, 1, 0.07, 0.05, 0.04, 0, 1, 1)
    shown = [faded(frame, share) for frame, share in zip(frames, shares, strict=True)]
    # The pause is shorter than timeout_s.
    return [(0.04 * number + 0.3 * (number > 2), f) for number, f in enumerate(shown)]


def camera_info(fx, header):
    k = [fx, 0.0, 319.5, 0.0, fx, 239.5, 0.0, 0.0, 1.0]
    p = [1.3 * fx, 0.0, 319.5, 0.0, 0.0, 1.3 * fx, 239.5, 0.0, 0.0, 0.0, 1.0, 0.0]
    return CameraInfo(header=header, width=640, height=480, k=k, p=p)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("options")


@pytest.fixture(scope="module")
def recording(folder):
    """Two cameras; /bare has no CameraInfo, and /spare/camera_info is nobody's."""
    path, store = folder / "recording", typesys.get_typestore(typesys.Stores.LATEST)
    plugin = rosbag2.StoragePlugin.MCAP
    with rosbag2.Writer(path, version=9, storage_plugin=plugin) as writer:
        made = {
            topic: writer.add_connection(topic, f"sensor_msgs/msg/{kind}", typestore=store)
            for topic, kind in {
                CAM: "Image", BARE: "Image", "/cam/camera_info": "CameraInfo",
                "/spare/camera_info": "CameraInfo",
            }.items()
        }  # fmt: skip
        for stamp_s, picture in pictures():
            header, at = Header(frame_id="eye"), round((7 + stamp_s) * 1e9)
            header.stamp.sec, header.stamp.nanosec = divmod(at, 10**9)
            rows = {
                "/cam/camera_info": camera_info(500.0, header),
                "/spare/camera_info": camera_info(900.0, header),
                CAM: image_from_array(picture, "rgb8", header),
                BARE: image_from_array(picture, "rgb8", header),
            }
            for topic, message in rows.items():
                writer.write(made[topic], at, serialize_message(message))
    return path


@pytest.fixture(scope="module")
def run(recording, folder):
    """run(*flags) -> (topic, nanoseconds, CDR) of all that the command added, and its folder."""
    before, done, loaded, patch = read(recording), {}, {}, pytest.MonkeyPatch()

    def load_once(parameters):
        key = parameters.weights, parameters.device, parameters.precision
        if key not in loaded:
            loaded[key] = loading.load_estimator(parameters)
        return loaded[key]

    patch.setattr("digit_ros.bag.run.load_estimator", load_once)

    def added(*flags):
        if flags not in done:
            output = folder / f"out{len(done)}"
            assert command.main([str(recording), str(output), *flags]) == 0, flags
            done[flags] = [row for row in read(output) if row not in before], output
        return done[flags]

    yield added
    patch.undo()


def read(path):
    with rosbag2.Reader(path) as reader:
        return [(c.topic, t, bytes(data)) for c, t, data in reader.messages()]


HERE, THERE = ("--image", CAM), ("--image", BARE)
#: Option -> the flags that are common to two runs, and those that one of them has more.
CHANGES = {
    "camera_info": (HERE, ("--camera-info", "/spare/camera_info")),
    "topics": (HERE, ("--topics", "markers")),
    "namespace": (HERE, ("--namespace", "me")),
    "rectified": (HERE, ("--rectified", "true")),
    "fallback_hfov_deg": (THERE, ("--fallback-hfov-deg", "60")),
    "hand_size_m": (HERE, ("--hand-size-m", "0.15")),
    "mirrored": (HERE, ("--mirrored",)),
    "detection_threshold": (HERE, ("--detection-threshold", "0.99")),
    "detect_every": (HERE, ("--detect-every", "1")),
    "presence_on": (HERE, ("--presence-on", "0.99")),
    "presence_off": (HERE, ("--presence-off", "0.6")),
    "smooth": (HERE, ("--no-smooth",)),
    "filter_min_cutoff_hz": (HERE, ("--filter-min-cutoff-hz", "20")),
    "filter_beta": (HERE, ("--filter-beta", "0")),
    "depth_filter_min_cutoff_hz": (HERE, ("--depth-filter-min-cutoff-hz", "20")),
    "depth_filter_beta": (HERE, ("--depth-filter-beta", "0")),
    "hold_s": (HERE, ("--hold-s", "0")),
    "timeout_s": (HERE, ("--timeout-s", "0.1")),
    "publish_tf": (HERE, ("--no-publish-tf",)),
    "publish_finger_tf": (HERE, ("--publish-finger-tf",)),
    "tf_prefix": (HERE, ("--tf-prefix", "head_")),
    "left_name": (HERE, ("--left-name", "l")),
    "right_name": (HERE, ("--right-name", "r")),
}
#: Option -> flags that cannot be had, and the words that refuse them.
REFUSED = {
    "weights": (("--weights", "none.pt"), "none.pt: no such weights file"),
    "device": (("--device", "toaster"), "toaster"),
    # A CPU without bf16 computes the same in fp32 and bf16.
    "precision": (("--device", "cpu", "--precision", "fp16"), "precision 'fp16' on cpu"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_option_changes_what_is_written(run, name):
    common, more = CHANGES[name]
    assert run(*common)[0] != run(*common, *more)[0]


@pytest.mark.parametrize("name", REFUSED)
def test_an_option_that_cannot_be_had_is_refused(recording, tmp_path, capsys, name):
    flags, words = REFUSED[name]
    assert command.main([str(recording), str(tmp_path / "out"), *HERE, *flags]) == 1
    assert words in capsys.readouterr().err


def test_the_images_are_those_that_were_asked_for(run):
    """One camera has a CameraInfo, the other has none."""
    here, there = run(*HERE)[0], run(*THERE)[0]
    assert {topic for topic, _, _ in here} >= {"/skeleton", "/tf"}
    assert "/tf" not in {topic for topic, _, _ in there}


def test_the_storage_is_the_one_that_was_asked_for(run):
    answers, output = run(*HERE, "--storage", "sqlite3")
    assert list(output.glob("*.db3")) and answers == run(*HERE)[0]


def test_no_option_is_left_out():
    options = set(vars(command._parser().parse_args(["in", "out"])))
    assert options - {"input", "output"} == {*CHANGES, *REFUSED, "image", "storage"}


def test_images_without_stamps_are_followed_by_their_log_times(recording, folder, run):
    """As in the node, where the time of arrival stands in."""
    store = typesys.get_typestore(typesys.Stores.LATEST)
    path, given = folder / "unstamped", [row for row in read(recording) if row[0] == CAM]
    with rosbag2.Writer(path, version=9, storage_plugin=rosbag2.StoragePlugin.MCAP) as writer:
        made = writer.add_connection(CAM, "sensor_msgs/msg/Image", typestore=store)
        for _, at, data in given:
            image = deserialize_message(data, Image)
            image.header.stamp.sec = image.header.stamp.nanosec = 0
            writer.write(made, at, serialize_message(image))
    output = folder / "unstamped_out"
    assert command.main([str(path), str(output)]) == 0
    found = [
        deserialize_message(d, TwoHandSkeleton) for t, _, d in read(output) if t == "/skeleton"
    ]
    stamped = [
        deserialize_message(d, TwoHandSkeleton) for t, _, d in run(*THERE)[0] if t == "/skeleton"
    ]
    assert len(found) == len(stamped) > 5
    for one, other in zip(found, stamped, strict=True):
        for side in ("right", "left"):
            a, b = getattr(one, side), getattr(other, side)
            assert a.present == b.present
            np.testing.assert_allclose(a.pixels, b.pixels, atol=1e-3)
