# SPDX-License-Identifier: Apache-2.0
"""Named subsets: golden ids, sizes, orders."""

import pytest

from training.interhand.subsets import NAMES, select

KEYS = list(range(20_000, 25_000))
#: First ids of samples out of `KEYS`, computed by the project, equal to the release's.
GOLDEN = {
    "minitrain": [24662, 20516, 22089, 20965],
    "minival": [24662, 20516, 22089, 20965],
    "minitest": [24662, 20516, 22089, 20965],
    "smalltrain": [24662, 20516, 22089, 20965],
    "smallval": [24662, 20516, 22089, 20965],
    "smalltest": [24662, 20516, 22089, 20965],
    "tinytrain": [24662, 20516, 22089, 20965],
}


@pytest.mark.parametrize("name", ["train", "val", "test"])
def test_whole_splits_are_all_in_order(name):
    assert select(KEYS, name) == KEYS


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("minitrain", 1000),
        ("minival", 1000),
        ("minitest", 1000),
        ("smalltrain", 500),
        ("smallval", 1250),
        ("smalltest", 1250),
        ("tinytrain", 250),
    ],
)
def test_samples(name, count):
    found = select(KEYS, name)
    assert len(set(found)) == len(found) == count
    assert found[:4] == GOLDEN[name]
    assert select(KEYS, name) == found


def test_a_mini_split_of_no_more_than_1000_gives_all():
    assert select(KEYS[:24], "minival") == KEYS[:24]
    assert select(KEYS[:1000], "minival") == KEYS[:1000]
    assert len(select(KEYS[:1001], "minival")) == 1000


def test_shares_are_rounded_down():
    assert len(select(KEYS[:39], "tinytrain")) == 1
    assert select([], "smallval") == []


def test_unknown_name_is_refused():
    with pytest.raises(ValueError, match="'megaval': expected one of train, val, test"):
        select(KEYS, "megaval")
    assert len(NAMES) == 10
