# SPDX-License-Identifier: Apache-2.0
"""Point clouds between ROS messages and NumPy arrays."""
