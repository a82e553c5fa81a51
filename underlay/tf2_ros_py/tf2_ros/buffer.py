# SPDX-License-Identifier: Apache-2.0
"""Keep the frames of the last seconds and answer where one frame is in another."""

import bisect
import threading
import time as clock

import numpy as np
from geometry_msgs.msg import TransformStamped
from rclpy.duration import Duration
from rclpy.time import Time

from tf2_ros.rigid import interpolate, inverse, matrix_from_msg, msg_from_matrix


class TransformException(Exception):
    """Any reason why a transform cannot be given."""


class LookupException(TransformException):
    """A frame has never been heard of."""


class ConnectivityException(TransformException):
    """Two frames are in trees that are not connected."""


class ExtrapolationException(TransformException):
    """The time asked for lies outside of what was received."""


class InvalidArgumentException(TransformException):
    """A frame's name is empty."""


class Buffer:
    """Frames by child, each with its transforms of the last `cache_time`."""

    def __init__(self, cache_time=None, node=None):
        self._keep_ns = (cache_time or Duration(seconds=10.0)).nanoseconds
        self._lock = threading.Lock()
        self._moving = {}  # child -> (parent, [stamp_ns], [(4, 4)])
        self._static = {}  # child -> (parent, (4, 4))

    def set_transform(self, transform, authority):
        """Take in one moving frame, a geometry_msgs/TransformStamped."""
        child, parent = _names(transform)
        stamp = Time.from_msg(transform.header.stamp).nanoseconds
        with self._lock:
            old_parent, stamps, matrices = self._moving.get(child, (parent, [], []))
            if old_parent != parent:
                stamps, matrices = [], []
            place = bisect.bisect_left(stamps, stamp)
            stamps.insert(place, stamp)
            matrices.insert(place, matrix_from_msg(transform.transform))
            expired = bisect.bisect_left(stamps, stamps[-1] - self._keep_ns)
            self._moving[child] = (parent, stamps[expired:], matrices[expired:])

    def set_transform_static(self, transform, authority):
        """Take in one fixed frame, a geometry_msgs/TransformStamped."""
        child, parent = _names(transform)
        with self._lock:
            self._static[child] = (parent, matrix_from_msg(transform.transform))

    def lookup_transform(self, target_frame, source_frame, time, timeout=None):
        """Where `source_frame` is in `target_frame` at `time`; time 0 is the latest common one.

        Waits up to `timeout` for it; another thread must be filling the buffer meanwhile.
        """
        deadline = clock.monotonic() + (timeout.nanoseconds / 1e9 if timeout else 0.0)
        while True:
            try:
                with self._lock:
                    return self._look_up(target_frame, source_frame, time.nanoseconds)
            except TransformException:
                if clock.monotonic() >= deadline:
                    raise
            clock.sleep(0.005)

    def can_transform(
        self, target_frame, source_frame, time, timeout=None, return_debug_tuple=False
    ):
        """Would `lookup_transform` answer? With `return_debug_tuple` also why not."""
        try:
            self.lookup_transform(target_frame, source_frame, time, timeout)
        except TransformException as error:
            return (False, str(error)) if return_debug_tuple else False
        return (True, "") if return_debug_tuple else True

    def clear(self):
        """Forget the moving frames."""
        with self._lock:
            self._moving.clear()

    def _look_up(self, target, source, stamp):
        chains = [self._chain(frame) for frame in (target, source)]
        common = next((frame for frame in chains[0] if frame in chains[1]), None)
        if common is None:
            raise ConnectivityException(f"{target!r} and {source!r} are in trees without a link")
        edges = [chain[: chain.index(common)] for chain in chains]
        if stamp == 0:
            stamp = self._latest(edges[0] + edges[1])
        to_common = [self._compose(chain, stamp) for chain in edges]
        result = TransformStamped(child_frame_id=source)
        result.header.frame_id = target
        result.header.stamp = Time(nanoseconds=stamp).to_msg()
        result.transform = msg_from_matrix(inverse(to_common[0]) @ to_common[1])
        return result

    def _chain(self, frame):
        """The frame, its parent, and so on up to the root."""
        if not frame:
            raise InvalidArgumentException("a frame's name is empty")
        parents = {child: entry[0] for child, entry in (self._moving | self._static).items()}
        if frame not in parents and frame not in parents.values():
            raise LookupException(f"{frame!r} passed to lookup_transform does not exist")
        chain = [frame]
        while chain[-1] in parents and parents[chain[-1]] not in chain:
            chain.append(parents[chain[-1]])
        return chain

    def _latest(self, edges):
        """The latest time for which every moving edge has a transform; 0 when none moves."""
        return min((self._moving[c][1][-1] for c in edges if c not in self._static), default=0)

    def _compose(self, chain, stamp):
        """The matrix (4, 4) from the first frame of `chain` to the parent of its last."""
        matrix = np.identity(4)
        for child in chain:
            matrix = self._at(child, stamp) @ matrix
        return matrix

    def _at(self, child, stamp):
        if child in self._static:
            return self._static[child][1]
        _, stamps, matrices = self._moving[child]
        if not stamps[0] <= stamp <= stamps[-1]:
            raise ExtrapolationException(
                f"{child!r} is known from {stamps[0]} ns to {stamps[-1]} ns, not at {stamp} ns"
            )
        place = bisect.bisect_left(stamps, stamp)
        if stamps[place] == stamp:
            return matrices[place]
        share = (stamp - stamps[place - 1]) / (stamps[place] - stamps[place - 1])
        return interpolate(matrices[place - 1], matrices[place], share)


def _names(transform):
    child, parent = transform.child_frame_id, transform.header.frame_id
    if not child or not parent:
        raise InvalidArgumentException(f"a frame's name is empty: {parent!r} to {child!r}")
    return child, parent
