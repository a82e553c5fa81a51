# SPDX-License-Identifier: Apache-2.0
"""Whether a camera's stamps are ROS time: if not, latency and TF look-ups mean nothing."""

#: Stamps may lie so far behind the node's clock (a slow pipeline) or ahead (two machines).
BEHIND_S, AHEAD_S = 10.0, 0.5
_UNITS = ((86400.0, "days"), (3600.0, "hours"), (1.0, "seconds"))


def is_ros_time(age_s: float) -> bool:
    """Whether an image of this age, by the node's clock, can have been stamped in ROS time."""
    return -AHEAD_S <= age_s <= BEHIND_S


def clock_note(age_s: float) -> str:
    """A sentence about stamps that are not ROS time; empty where they can be.

    Args:
        age_s: the node's time minus an image's stamp, seconds.
    """
    if is_ros_time(age_s):
        return ""
    unit_s, unit = next(row for row in _UNITS if abs(age_s) >= row[0] or row[0] == 1.0)
    where = "behind" if age_s > 0 else "ahead of"
    return (
        f"stamps are {abs(age_s) / unit_s:.1f} {unit} {where} ROS time; let the driver stamp"
        " images in ROS time, or set use_sim_time for recorded data: latency is not measured, and"
        " TF look-ups at the present time fail"
    )
