# SPDX-License-Identifier: Apache-2.0
"""digit_node on a device whose memory is short for as long as a file exists.

The file's text is how many images at a time fit. Everything else is the node itself; usage: as the
node's, with the file in SHORT_OF_MEMORY.
"""

import os
import sys
from pathlib import Path

import torch

from digit_core.estimator import DigitEstimator
from digit_ros import oom_fallback
from digit_ros.digit_node import main

SHORT = Path(os.environ["SHORT_OF_MEMORY"])
whole, load = DigitEstimator.run, DigitEstimator.load
first: list[DigitEstimator] = []


def loaded(weights=None, device=None, **given):
    """Says what is loaded."""
    print(f"loading on {device} in {given['precision']}", flush=True)
    return load(weights, device, **given)


def run(self, jobs):
    """The first estimator's device is the one that is short."""
    first.append(self)
    if self is first[0] and SHORT.exists() and len(jobs) > int(SHORT.read_text()):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
    return whole(self, jobs)


DigitEstimator.run, DigitEstimator.load = run, loaded
oom_fallback.RETRY_S = 1.0
sys.exit(main())
