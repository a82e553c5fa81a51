# SPDX-License-Identifier: Apache-2.0
"""What goes wrong around a running node, over real processes: it goes on, and says what was."""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import State, Transition
from rclpy.qos import ReliabilityPolicy

from digit_ros.msg import TwoHandSkeleton

PROGRAMS = Path(__file__).parent / "programs"
CLIP = Path(__file__).parents[2] / "clips" / "two_hands.mp4"
RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
#: How long Fast DDS waits for a killed process's sign of life before it forgets it, and more.
FORGOTTEN_S = 45.0


def kill(process):
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_a_killed_camera_comes_back_as_another(start_digit, start_node, ears, tmp_path):
    """Other reliability, size, frame and intrinsics than before."""
    start_digit(timeout_s=0.5)
    heard = ears.listen(TwoHandSkeleton, "skeleton", 50)
    source = {"source": CLIP, "loop": True, "rate_hz": 5.0}
    first = start_node("player_node", {**source, "reliability": "reliable", "frame_id": "first"})
    ears.spin_until(lambda: any(s.right.present for s in heard), 150.0, "hands")
    kill(first)
    ears.spin_until(lambda: not (heard[-1].right.present or heard[-1].left.present), 10.0)
    start_node("player_node", {**source, "reliability": "best_effort", "frame_id": "second"})

    def back():
        return any(s.header.frame_id == "second" and s.right.present for s in heard)

    ears.spin_until(back, FORGOTTEN_S, "hands of the other camera")


def test_intrinsics_may_change_in_mid_stream(start_digit, camera, scene):
    start_digit(smooth=False)
    depths = []
    for factor in (1.0, 2.0):
        info = scene.info()
        info.k[0], info.k[4] = factor * info.k[0], factor * info.k[4]
        camera.send(info)
        camera.ears.spin_for(0.5)
        depths.append(camera.answer(scene.image()).right.wrist.position.z)
    # A hand of the same pixels through a lens of twice the focal length is twice as far away.
    assert depths[1] == pytest.approx(2 * depths[0], rel=0.1)


@pytest.mark.parametrize("climb", [(), ("CONFIGURE",), ("CONFIGURE", "ACTIVATE")])
def test_killed_in_any_state_it_starts_again(start_digit, camera, lifecycle, climb):
    node = start_digit(autostart=False)
    assert lifecycle.state == State.PRIMARY_STATE_UNCONFIGURED
    for name in climb:
        assert lifecycle.change(getattr(Transition, f"TRANSITION_{name}"))
    kill(node)
    start_digit()
    camera.answer(camera.picture())


def test_a_namesake_is_noticed(start_digit, camera):
    start_digit()
    camera.answer(camera.picture())

    def well():
        camera.answer(camera.picture())
        return camera.statuses()[0].level == DiagnosticStatus.OK

    camera.ears.spin_until(well, 30.0, "a node that is well")
    start_digit()
    camera.ears.spin_until(
        lambda: "another node is called /digit" in camera.diagnostics[-1].status[0].message, 150.0
    )
    camera.answer(camera.picture())


def test_who_does_not_take_what_he_subscribed_to_holds_nobody_back(
    start_digit, camera, start_process
):
    start_digit()
    slow = start_process(sys.executable, PROGRAMS / "slow_subscriber.py")
    slow.wait_for("subscribed", 60.0)
    for _ in range(40):
        camera.answer(camera.picture())
    assert slow.running
    (status,) = camera.statuses()
    assert int({v.key: v.value for v in status.values}["frames processed"]) >= 40


def test_a_device_short_of_memory(start_process, weights, make_camera, ears, tmp_path):
    """First one image at a time fits, then none, then all again."""
    short = tmp_path / "short"
    cameras = [make_camera(RELIABLE, name) for name in ("one", "other")]
    node = start_process(
        sys.executable, PROGRAMS / "short_of_memory.py", "--ros-args",
        "-p", f"weights:={weights}", "-p", "cameras:=[one, other]", "-p", "precision:=fp32",
        env={"SHORT_OF_MEMORY": str(short)},
    )  # fmt: skip

    def both():
        images = [camera.picture() for camera in cameras]
        for camera, image in zip(cameras, images, strict=True):
            camera.send(camera.info())
            camera.send(image)
        for camera, image in zip(cameras, images, strict=True):
            ears.spin_until(
                lambda c=camera, i=image: any(s.header == i.header for s in c.skeletons), 150.0
            )

    def said(words):
        def found():
            both()
            texts = [s.message for s in cameras[0].diagnostics[-1].status]
            return any(words in text for text in texts)

        ears.spin_until(found, 30.0, words)

    both()
    short.write_text("0")
    said("cpu is out of memory: the network runs on the CPU; it is tried again after 1 s")
    short.unlink()
    said("Hz out of")
    assert node.running and "Traceback" not in node.output
    assert "loading on None in fp32" in node.output and "loading on cpu in fp32" in node.output


def test_the_fallback_of_a_device_in_fp16_is_loaded_all_the_same(weights):
    """A CPU does not compute in fp16."""
    from digit_ros.loading import load_cpu_estimator
    from digit_ros.parameters import Parameters

    estimator = load_cpu_estimator(Parameters(weights=str(weights), precision="fp16"))
    assert estimator.networks.device.type == "cpu"


def test_memory_for_one_image_at_a_time(monkeypatch):
    import torch

    from digit_core.estimator import DigitEstimator
    from digit_core.request import ImageRequest
    from digit_ros import oom_fallback

    sizes, now = [], [0.0]
    estimator = DigitEstimator.load(device="cpu")
    whole = estimator.run

    def run(jobs):
        sizes.append(len(jobs))
        if len(jobs) > most[0]:
            raise torch.OutOfMemoryError("short")
        return whole(jobs)

    monkeypatch.setattr(estimator, "run", run)
    device = oom_fallback.OomFallback(estimator, lambda: estimator, clock_s=lambda: now[0])
    picture = np.full((60, 80, 3), 90, np.uint8)
    request = ImageRequest(picture, None, 0.0)
    jobs = [(estimator.tracker().state, request) for _ in range(5)]
    most = [9]
    assert len(device.run(jobs)) == 5 and sizes == [5] and not device.note
    most[0], sizes[:] = 2, []
    assert len(device.run(jobs)) == 5 and sizes == [5, 2, 2, 1]
    assert device.note.startswith("cpu is out of memory: 2 image(s) at a time")
    sizes.clear()
    assert len(device.run(jobs)) == 5 and sizes == [2, 2, 1]
    most[0], now[0], sizes[:] = 9, oom_fallback.RETRY_S, []
    assert len(device.run(jobs)) == 5 and sizes == [5] and not device.note
