# SPDX-License-Identifier: Apache-2.0
"""The inbox keeps the newest frame of each stream and says what it dropped."""

import threading

import pytest

from digit_ros.inbox import Inbox


def test_a_newer_frame_drops_the_one_that_nobody_took():
    inbox = Inbox()
    assert [inbox.put("a", number) for number in range(3)] == [False, True, True]
    assert inbox.put("b", 9) is False
    assert inbox.take() == {"a": 2, "b": 9}
    assert inbox.put("a", 3) is False


@pytest.mark.parametrize("give_way", [False, True])
def test_take_waits_for_a_frame(give_way):
    inbox, taken = Inbox(give_way=give_way), []
    worker = threading.Thread(target=lambda: taken.append(inbox.take()))
    worker.start()
    inbox.put("a", 1)
    worker.join(5)
    assert taken == [{"a": 1}]


def test_closing_wakes_the_worker_and_forgets_frames():
    inbox, taken = Inbox(), []
    worker = threading.Thread(target=lambda: taken.append(inbox.take()))
    worker.start()
    inbox.close()
    worker.join(5)
    inbox.put("a", 1)
    assert taken == [None] and inbox.take() is None
