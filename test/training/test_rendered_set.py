# SPDX-License-Identifier: Apache-2.0
"""What `training.synth` annotates of what it draws."""

import json

import pytest
import torch

from training.synth.__main__ import SIZE_PX, in_picture, main


def test_hands_out_of_the_picture_are_not_annotated():
    joints = torch.full((3, 2, 21, 2), SIZE_PX / 2)
    joints[1, 1] += SIZE_PX  # far away
    joints[2, 0, :10, 0] = -5.0  # cut by the edge, half of it shows
    present = torch.tensor([[True, True], [True, True], [True, False]])
    assert in_picture(present, joints).tolist() == [[True, True], [True, False], [True, False]]


def test_share_of_pictures_with_one_hand(tmp_path, capsys):
    run = ["--output", str(tmp_path), "--val", "4", "--single", "1", "--device", "cpu"]
    assert main(run) == 0
    data = json.loads(
        (tmp_path / "annotations" / "val" / "InterHand2.6M_val_data.json").read_text()
    )
    kinds = [annotation["hand_type"] for annotation in data["annotations"]]
    assert len(kinds) == 4 and set(kinds) <= {"right", "left"}
    with pytest.raises(SystemExit):
        main([*run[:-3], "1.5"])
    assert "--single 1.5: a share from 0 to 1" in capsys.readouterr().err
