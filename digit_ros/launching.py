# SPDX-License-Identifier: Apache-2.0
"""What our launch files have in common; imports launch, which needs a ROS 2 distribution."""

from collections.abc import Mapping
from typing import Any

# mypy takes our folder launch/ for the package.
from launch import LaunchDescription  # type: ignore[attr-defined]
from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.substitutions import EnvironmentVariable

from digit_ros import fastdds


def launch_description(arguments: Mapping[str, tuple[str, str]], *actions: Any) -> Any:
    """A LaunchDescription that starts `actions` with the profile that raw images need.

    Args:
        arguments: name -> (default, description).
        actions: launch actions, in order.
    """
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in arguments.items()
    ]
    profile = EnvironmentVariable(fastdds.VARIABLE, default_value=fastdds.profile_path())
    return LaunchDescription(
        [*declared, SetEnvironmentVariable(fastdds.VARIABLE, profile), *actions]
    )
