# SPDX-License-Identifier: Apache-2.0
"""Give a process the Fast DDS profile under which raw images arrive, see config/fastdds.xml."""

import os
from collections.abc import MutableMapping

from ament_index_python.packages import get_package_share_directory

_OLD = "FASTRTPS_DEFAULT_PROFILES_FILE"
#: The variable's name changed with Fast DDS 3, which came with Kilted.
VARIABLE = _OLD if os.environ.get("ROS_DISTRO") == "jazzy" else "FASTDDS_DEFAULT_PROFILES_FILE"


def profile_path() -> str:
    """The installed profile: 32 MB of shared memory for each publishing process."""
    return os.path.join(get_package_share_directory("digit_ros"), "config", "fastdds.xml")


def use_profile(environment: MutableMapping[str, str] = os.environ) -> None:
    """Name the profile in `environment` unless the user names one.

    Must run before rclpy.init; for a child process pass the environment that it will get.
    """
    if not environment.get(VARIABLE) and not environment.get(_OLD):
        environment[VARIABLE] = profile_path()
