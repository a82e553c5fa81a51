# SPDX-License-Identifier: Apache-2.0
"""The built messages: their constants are the joint table's, and they cross between processes."""

import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from digit_core import skeleton
from digit_core.hands import DepthSource, Intrinsics
from digit_ros.msg import HandSkeleton, TwoHandSkeleton

PROGRAMS = Path(__file__).parent / "programs"


def test_joint_constants_are_the_joint_table():
    for index, name in enumerate(skeleton.JOINT_NAMES):
        assert getattr(HandSkeleton, name.upper()) == index


@pytest.mark.parametrize("values", [DepthSource, Intrinsics])
def test_other_constants_are_those_of_digit_core(values):
    for value in values:
        assert getattr(HandSkeleton, value.name) == value


def test_sizes():
    hand = HandSkeleton()
    assert len(hand.positions) == len(hand.relative) == len(hand.valid) == skeleton.NUM_JOINTS
    assert hand.pixels.shape == (42,) and hand.pixels.dtype == np.float32
    assert hand.confidences.shape == hand.sigma_px.shape == (21,)


def test_crosses_between_processes_field_by_field(start_process, ears):
    heard = ears.listen(TwoHandSkeleton, "skeleton", 5)
    sender = start_process(sys.executable, PROGRAMS / "send_skeleton.py", 3)
    ears.spin_until(lambda: heard, 20.0, "the skeleton")
    assert sender.wait() == 0
    assert_same(heard[0], _made(3))


def assert_same(a, b):
    """Equal in every field down to the last bit; NaN equals NaN."""
    if hasattr(a, "get_fields_and_field_types"):
        assert type(a) is type(b)
        for name in a.get_fields_and_field_types():
            assert_same(getattr(a, name), getattr(b, name))
    elif isinstance(a, (list, np.ndarray)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    else:
        assert a == b or (math.isnan(a) and math.isnan(b))


def _made(seed):
    spec = importlib.util.spec_from_file_location("made_skeleton", PROGRAMS / "made_skeleton.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make(seed)
