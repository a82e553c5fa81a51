# SPDX-License-Identifier: Apache-2.0
"""Named subsets of a split, the same for everybody: seeded samples of its annotation ids."""

import random
from collections.abc import Sequence
from typing import TypeVar

Key = TypeVar("Key")

SPLITS = ("train", "val", "test")
SEED = 1
MINI = 1000
SHARES = {"smalltrain": 0.1, "smallval": 0.25, "smalltest": 0.25, "tinytrain": 0.05}
NAMES = (*SPLITS, *(f"mini{split}" for split in SPLITS), *SHARES)


def select(keys: Sequence[Key], name: str) -> list[Key]:
    """The keys of a subset.

    Args:
        keys: annotation ids of the whole split, in the file's order.
        name: one of `NAMES`.

    Returns:
        All keys in order for a whole split; else a sample in the order of drawing: 1,000 for
        mini (all in order, where there are no more), a tenth, quarter or twentieth (at least
        one) otherwise.

    Raises:
        ValueError: there is no subset of that name.
    """
    if name not in NAMES:
        raise ValueError(f"subset {name!r}: expected one of {', '.join(NAMES)}")
    count = max(1, int(SHARES[name] * len(keys))) if name in SHARES else MINI
    if name in SPLITS or count >= len(keys):
        return list(keys)
    draw = random.Random(SEED)
    draw.randint(0, 100)  # DIGIT draws once, to check the generator, before it samples
    return draw.sample(list(keys), count)
