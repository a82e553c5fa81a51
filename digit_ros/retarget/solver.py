# SPDX-License-Identifier: Apache-2.0
"""The solver process of retarget_node: joints of a hand in, positions of a robot hand's joints out.

    python solver.py CONFIG [URDF]

Runs in an interpreter of its own that has dex-retargeting (AnyTeleop), and imports nothing of ours.
Lines of JSON: first {"names", "lower", "upper", "used"} or {"error"} goes out, "used" being the
joints of the person's hand that count; then for every
{"id", "joints": 21 x 3 metres in the palm frame, "reset"} that comes in, {"id", "positions"}.
"""

import json
import os
import sys
from typing import Any, TextIO


def main(arguments: list[str]) -> int:
    """Answer until the pipe is closed; 1 when the robot hand cannot be loaded."""
    replies = _take_stdout()
    try:
        retargeting = _load(*arguments)
    except Exception as error:  # A user's files; whatever is wrong is to be told.
        _say(replies, {"error": _sentence(error, arguments[0])})
        return 1
    limits = retargeting.optimizer.robot.joint_limits
    names, (lower, upper) = retargeting.joint_names, limits.T.tolist()
    _warm_up(retargeting)
    used = sorted({int(i) for i in retargeting.optimizer.target_link_human_indices.flat})
    _say(replies, {"names": names, "lower": lower, "upper": upper, "used": used})
    for line in sys.stdin:
        request = json.loads(line)
        if request["reset"]:
            _forget(retargeting)
        positions = _solve(retargeting, request["joints"])
        _say(replies, {"id": request["id"], "positions": positions})
    return 0


def _take_stdout() -> TextIO:
    """Standard output for ourselves: libraries that print go to standard error."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return replies


def _load(config: str, urdf: str = "") -> Any:
    from dex_retargeting.retargeting_config import RetargetingConfig

    if not os.path.isfile(config):
        raise FileNotFoundError("no such file")
    # Paths in the file are meant from where it lies.
    RetargetingConfig.set_default_urdf_dir(os.path.dirname(os.path.abspath(config)))
    override = {"urdf_path": os.path.abspath(urdf)} if urdf else None
    return RetargetingConfig.load_from_file(config, override).build()


def _warm_up(retargeting: Any) -> None:
    """Solve once for a made-up hand: the first time takes up to a second."""
    _solve(retargeting, [[0.002 * i, 0.001 * i, 0.09 + 0.004 * i] for i in range(21)])
    _forget(retargeting)


def _forget(retargeting: Any) -> None:
    retargeting.reset()
    if retargeting.filter is not None:
        retargeting.filter.reset()


def _solve(retargeting: Any, joints: list[list[float]]) -> list[float]:
    import numpy as np

    places, indices = np.array(joints), retargeting.optimizer.target_link_human_indices
    if retargeting.optimizer.retargeting_type.lower() == "position":
        target = places[indices]
    else:  # vector and DexPilot: from the first row's joints to the second's
        target = places[indices[1]] - places[indices[0]]
    positions: list[float] = retargeting.retarget(target).tolist()
    return positions


def _sentence(error: Exception, config: str) -> str:
    if isinstance(error, ImportError):
        return f"{sys.executable} has no dex-retargeting: {str(error).splitlines()[0]}"
    text = str(error) if not isinstance(error, KeyError) else f"no entry {error}"
    return f"{config}: {(text.splitlines() or [type(error).__name__])[0]}"


def _say(replies: TextIO, message: dict[str, Any]) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
