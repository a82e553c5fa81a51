# SPDX-License-Identifier: Apache-2.0
"""What `training.synth` annotates of what it draws."""

import torch

from training.synth.__main__ import SIZE_PX, in_picture


def test_hands_out_of_the_picture_are_not_annotated():
    joints = torch.full((3, 2, 21, 2), SIZE_PX / 2)
    joints[1, 1] += SIZE_PX  # far away
    joints[2, 0, :10, 0] = -5.0  # cut by the edge, half of it shows
    present = torch.tensor([[True, True], [True, True], [True, False]])
    assert in_picture(present, joints).tolist() == [[True, True], [True, False], [True, False]]
