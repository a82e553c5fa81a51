# SPDX-License-Identifier: Apache-2.0
"""Run a launch file as `ros2 launch` does: launch_file.py FILE NAME:=VALUE..."""

import sys

from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

path, *arguments = sys.argv[1:]
service = LaunchService()
included = IncludeLaunchDescription(
    PythonLaunchDescriptionSource(path),
    launch_arguments=[tuple(argument.split(":=", 1)) for argument in arguments],
)
service.include_launch_description(LaunchDescription([included]))
sys.exit(service.run())
