# SPDX-License-Identifier: Apache-2.0
"""The queue keeps the newest frame of each stream and says what it dropped."""

import threading

import pytest
from sensor_msgs.msg import Image

from digit_ros.latest_frame_queue import ImageArrived, LatestFrameQueue, Silence


def image(number):
    return ImageArrived(Image(), float(number))


def test_a_newer_frame_drops_the_one_that_nobody_took():
    queue, images = LatestFrameQueue(), [image(number) for number in range(4)]
    assert [queue.put("a", one) for one in images[:3]] == [False, True, True]
    assert queue.put("b", images[3]) is False
    assert queue.take() == {"a": images[2], "b": images[3]}
    assert queue.put("a", images[3]) is False


def test_silence_takes_no_images_place_and_is_no_image_that_is_dropped():
    queue, newest = LatestFrameQueue(), image(1)
    assert queue.put_if_empty("a", Silence()) and not queue.put_if_empty("a", Silence())
    assert queue.put("a", newest) is False
    assert not queue.put_if_empty("a", Silence())
    assert queue.take() == {"a": newest}


@pytest.mark.parametrize("give_way", [False, True])
def test_take_waits_for_a_frame(give_way):
    queue, taken, one = LatestFrameQueue(give_way=give_way), [], image(1)
    worker = threading.Thread(target=lambda: taken.append(queue.take()))
    worker.start()
    queue.put("a", one)
    worker.join(5)
    assert taken == [{"a": one}]


def test_closing_wakes_the_worker_and_forgets_frames():
    queue, taken = LatestFrameQueue(), []
    worker = threading.Thread(target=lambda: taken.append(queue.take()))
    worker.start()
    queue.close()
    worker.join(5)
    queue.put("a", image(1))
    assert taken == [None] and queue.take() is None
