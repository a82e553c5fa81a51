# SPDX-License-Identifier: Apache-2.0
"""Two looks at one hand, through crops that differ, say more than either."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from digit_core.decode import Reading
from digit_core.pair import Look, Sighting, coincident
from digit_core.skeleton import SIDES


def joined(first: Mapping[str, Sighting], look: Look, second: Reading) -> Reading:
    """A second look's reading, with what the first look said of the same hands.

    Joints are weighted by their inverse variances. Both looks see one image and err alike: the
    joined variance is the mean of both, not smaller. Log-odds of presence are averaged. Where the
    looks see a hand at two places the second one's joints stand: its crop was laid about a hand.

    Args:
        first: side to what the first look showed.
        look: the second look, planned from `first`.
        second: its reading.
    """
    joints, depth = second.joints_2d.copy(), second.depth_m.copy()
    variance, confidence = second.sigma_px**2, second.joint_confidence.copy()
    presence = second.presence_logit.copy()
    for channel, side in enumerate(SIDES):
        alone = look.candidates[0].side if len(look.candidates) == 1 else None
        before = first.get(alone or side)
        if before is None:
            continue
        one = before.reading
        presence[channel] = (presence[channel] + one.presence_logit[channel]) / 2
        if not coincident(joints[channel], one.joints_2d[channel]):
            continue
        a, b = 1 / variance[channel], 1 / one.sigma_px[channel] ** 2
        share = a / (a + b)
        joints[channel] = _mixed(share[:, None], joints[channel], one.joints_2d[channel])
        depth[channel] = _mixed(share, depth[channel], one.depth_m[channel])
        confidence[channel] = _mixed(share, confidence[channel], one.joint_confidence[channel])
        variance[channel] = 2 / (a + b)
    return replace(
        second,
        joints_2d=joints,
        depth_m=depth,
        sigma_px=np.sqrt(variance),
        joint_confidence=confidence,
        presence_logit=presence,
    )


def _mixed(share: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(share * a + (1 - share) * b)
