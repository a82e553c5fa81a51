# SPDX-License-Identifier: Apache-2.0
"""The main job, end to end, over real topics between processes."""
