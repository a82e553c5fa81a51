# SPDX-License-Identifier: Apache-2.0
"""What retarget_node stands on: following with limits, and the solver in a process of its own."""
