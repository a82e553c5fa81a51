# SPDX-License-Identifier: Apache-2.0
"""What player_node plays, and the camera that it says it is."""
