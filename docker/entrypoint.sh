#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Run a command where ROS 2 and digit_ros are found.
set -e
. /ws/.venv/bin/activate
. /ws/install/setup.bash
exec "$@"
