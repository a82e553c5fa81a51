# SPDX-License-Identifier: Apache-2.0
"""A ROS domain of one's own, so that runs beside each other on a machine do not hear each other."""

import random
import socket

#: Domains whose ports Linux does not give to others (ROS 2's own documentation).
DOMAINS = range(1, 102)
#: What holds a domain: a local name of Linux's, no file, that nobody can connect to and that is
#: free again when this process ends, however it ends.
NAME = "\0digit_ros_domain_{}"
_held: list[socket.socket] = []


def reserve_domain() -> int:
    """A domain id that no other process on this machine has reserved, chosen at random.

    Raises:
        RuntimeError: all of them are taken.
    """
    for number in random.SystemRandom().sample(DOMAINS, len(DOMAINS)):
        name = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            name.bind(NAME.format(number))
        except OSError:
            name.close()
            continue
        _held.append(name)
        return number
    raise RuntimeError(f"all ROS domains {DOMAINS[0]} to {DOMAINS[-1]} are reserved already")
