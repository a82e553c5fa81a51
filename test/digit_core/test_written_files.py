# SPDX-License-Identifier: Apache-2.0
"""Pictures, videos and JSON of the command have the permissions that the umask gives."""

import numpy as np

from digit_core import cli
from digit_core.media import VideoWriter, write_picture


def test_what_the_command_writes(tmp_path, as_the_umask_says):
    frame = np.full((96, 128, 3), 90, np.uint8)
    write_picture(tmp_path / "photo.png", frame)
    writer = VideoWriter(tmp_path / "clip.mp4", 25.0)
    writer.add(frame)
    as_the_umask_says(tmp_path)  # the video is not finished
    writer.close()
    given = [str(tmp_path / name) for name in ("photo.png", "clip.mp4")]
    out = ["--json", str(tmp_path / "o.jsonl"), "--overlay", str(tmp_path / "overlay")]
    assert cli.main([*given, *out, "--device", "cpu"]) == 0
    as_the_umask_says(tmp_path)
    assert len(list((tmp_path / "overlay").iterdir())) == 2
