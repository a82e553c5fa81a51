# SPDX-License-Identifier: Apache-2.0
"""A ROS domain of one's own, so that runs beside each other on a machine do not hear each other."""

import fcntl
import os
import random
import tempfile
from pathlib import Path

#: Domains whose ports Linux does not give to others (ROS 2's own documentation).
DOMAINS = range(1, 102)
#: Locks are held as long as their files are open: until this process ends, however it ends.
_held: list[int] = []


def reserve_domain() -> int:
    """A domain id that no other process on this machine has reserved, chosen at random.

    Raises:
        RuntimeError: all of them are taken.
    """
    for number in random.SystemRandom().sample(DOMAINS, len(DOMAINS)):
        path = Path(tempfile.gettempdir()) / f"digit_ros_domain_{number}.lock"
        try:
            file = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
        except OSError:  # another user's
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            continue
        _held.append(file)
        return number
    raise RuntimeError(f"all ROS domains {DOMAINS[0]} to {DOMAINS[-1]} are reserved already")
