# SPDX-License-Identifier: Apache-2.0
"""The node's lifecycle over its services: each transition, wrong orders, repetition."""

from pathlib import Path
from statistics import median

import pytest
from lifecycle_msgs.msg import State, Transition
from sensor_msgs.msg import Image

CONFIGURE = Transition.TRANSITION_CONFIGURE
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE
CLEANUP = Transition.TRANSITION_CLEANUP
UNCONFIGURED, INACTIVE = State.PRIMARY_STATE_UNCONFIGURED, State.PRIMARY_STATE_INACTIVE
ACTIVE, FINALIZED = State.PRIMARY_STATE_ACTIVE, State.PRIMARY_STATE_FINALIZED


@pytest.fixture
def start_manual(start_node, weights):
    """start_manual(**parameters) -> a node that waits for transitions."""

    def start(**given):
        return start_node("digit_node", {"weights": weights, "autostart": False, **given})

    return start


def test_up_and_down_and_up_again(start_manual, lifecycle, ears, camera):
    node = start_manual()
    assert lifecycle.state == UNCONFIGURED
    assert ears.node.count_publishers("skeleton") == 0
    for _ in range(2):
        assert lifecycle.change(CONFIGURE) and lifecycle.state == INACTIVE
        assert ears.node.count_subscribers("image") == 0
        assert lifecycle.change(ACTIVATE) and lifecycle.state == ACTIVE
        camera.answer(camera.picture())
        assert lifecycle.change(DEACTIVATE) and lifecycle.state == INACTIVE
        ears.spin_until(lambda: not ears.node.count_subscribers("image"), 10.0, "its end")
        assert lifecycle.change(CLEANUP) and lifecycle.state == UNCONFIGURED
        ears.spin_until(lambda: not ears.node.count_publishers("skeleton"), 10.0, "their end")
    assert node.running and "Traceback" not in node.output


def test_wrong_orders_are_refused_and_change_nothing(start_manual, lifecycle):
    start_manual()
    for transition in (ACTIVATE, DEACTIVATE, CLEANUP):
        assert not lifecycle.change(transition)
    assert lifecycle.state == UNCONFIGURED
    assert lifecycle.change(CONFIGURE)
    for transition in (CONFIGURE, DEACTIVATE):
        assert not lifecycle.change(transition)
    assert lifecycle.state == INACTIVE


def test_bad_weights_leave_the_node_unconfigured(start_manual, lifecycle, tmp_path):
    node = start_manual(weights=tmp_path / "none.safetensors")
    assert not lifecycle.change(CONFIGURE)
    assert lifecycle.state == UNCONFIGURED
    node.wait_for("none.safetensors: no such weights file")
    assert node.running


@pytest.mark.parametrize(
    ("climb", "shutdown"),
    [
        ([], Transition.TRANSITION_UNCONFIGURED_SHUTDOWN),
        ([CONFIGURE], Transition.TRANSITION_INACTIVE_SHUTDOWN),
        ([CONFIGURE, ACTIVATE], Transition.TRANSITION_ACTIVE_SHUTDOWN),
    ],
)
def test_shutdown_from_every_state(start_manual, lifecycle, climb, shutdown):
    node = start_manual()
    assert all(lifecycle.change(transition) for transition in climb)
    assert lifecycle.change(shutdown) and lifecycle.state == FINALIZED
    assert node.stop() == 0 and "Traceback" not in node.output


def test_by_default_it_starts_itself(start_node, weights, lifecycle, ears):
    start_node("digit_node", {"weights": weights})
    ears.publisher(Image, "image", wait_for_subscriber_s=90.0)
    assert lifecycle.state == ACTIVE


def size_of(pid) -> tuple[float, int, int]:
    """Resident memory in MB, threads, and open files of a process."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return float(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), files


def test_rounds_leave_nothing_behind(start_manual, lifecycle, ears):
    node = start_manual()
    ears.node.create_publisher(Image, "image", 10)
    sizes = []
    for _ in range(50):
        for transition in (CONFIGURE, ACTIVATE, DEACTIVATE, CLEANUP):
            assert lifecycle.change(transition)
        sizes.append(size_of(node.pid))
    assert lifecycle.state == UNCONFIGURED and "Traceback" not in node.output
    megabytes, threads, files = zip(*sizes, strict=True)
    # The first rounds fill caches and pools. Resident memory goes up and down by 5 MB with the
    # allocator's holes; keeping one model a round would add 400 MB between the two medians.
    early, late = slice(10, 20), slice(40, 50)
    assert median(megabytes[late]) < median(megabytes[early]) + 20
    assert median(threads[late]) <= median(threads[early])
    assert median(files[late]) <= median(files[early])
