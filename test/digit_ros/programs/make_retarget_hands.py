# SPDX-License-Identifier: Apache-2.0
"""Makes test/digit_ros/retarget_hands.npz: joints of the renderer's hand, open and grasping.

python test/digit_ros/programs/make_retarget_hands.py
"""

from pathlib import Path

import numpy as np
import torch

from training.synth.hand_model import HandModel, Poses

#: Flexion in degrees: base, middle and last joint of the fingers, then of the thumb.
POSES = {"open": ((0, 0, 0), (0, 0, 0)), "grasp": ((70, 90, 50), (20, 30, 40))}


def joints(fingers, thumb):
    """(21, 3) metres, right hand, public order, of the mean shape."""
    model, poses = HandModel(), Poses.rest(1)
    poses.fingers = poses.fingers.clone()
    poses.fingers[:, 1:, :3] = torch.deg2rad(torch.tensor(fingers, dtype=torch.float32))
    poses.fingers[:, 0, :3] = torch.deg2rad(torch.tensor(thumb, dtype=torch.float32))
    return model.pose(model.shapes(torch.zeros(1, 32)), poses).joints[0].numpy()


if __name__ == "__main__":
    path = Path(__file__).parents[1] / "retarget_hands.npz"
    np.savez(path, **{name: joints(*angles).astype(np.float32) for name, angles in POSES.items()})
