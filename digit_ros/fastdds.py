# SPDX-License-Identifier: Apache-2.0
"""Give a process the Fast DDS profile under which raw images arrive, see config/fastdds.xml."""

import os
from collections.abc import MutableMapping

from ament_index_python.packages import get_package_share_directory

#: The first is read by Fast DDS 3 (Kilted and later), the second by Fast DDS 2 (Jazzy).
VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")


def profile_path() -> str:
    """The installed profile: 32 MB of shared memory for each publishing process."""
    return os.path.join(get_package_share_directory("digit_ros"), "config", "fastdds.xml")


def use_profile(environment: MutableMapping[str, str] = os.environ) -> None:
    """Name the profile in `environment` unless the user names one.

    Must run before rclpy.init; for a child process pass the environment that it will get.
    """
    if not any(environment.get(name) for name in VARIABLES):
        environment.update(dict.fromkeys(VARIABLES, profile_path()))
