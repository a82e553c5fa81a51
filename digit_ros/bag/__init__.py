# SPDX-License-Identifier: Apache-2.0
"""Hands for recordings (rosbag2), without a running graph."""
