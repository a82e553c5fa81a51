# SPDX-License-Identifier: Apache-2.0
"""The long run in miniature, and what it says of figures that grow."""

import json
import sys

from benchmarks.soak import Sample, grew, verdict


def samples(count=20, **last):
    """Samples that are all alike but for some figures of the last half."""
    same = {"resident_mb": 400.0, "threads": 22, "files": 23, "median_ms": 30.0, "quick_ms": 20.0}
    return [Sample(i, float(i), **(same | (last if i >= count // 2 else {}))) for i in range(count)]


def test_what_grows_is_named():
    assert grew(verdict(samples())) == []
    assert grew(verdict(samples(resident_mb=407.0))) == []
    assert grew(verdict(samples(resident_mb=409.0, threads=23))) == ["resident_mb", "threads"]
    assert grew(verdict(samples(files=24, quick_ms=23.0))) == ["files", "quick_ms"]
    # The warm-up does not count.
    early = samples()
    early[0] = Sample(0, 0.0, 300.0, 20, 20, 90.0, 80.0)
    assert grew(verdict(early)) == []


def test_every_picture_is_answered_or_dropped_for_a_newer_one(start_process, tmp_path):
    path = tmp_path / "soak.json"
    run = ("-m", "benchmarks.soak", "--frames", "60", "--samples", "10", "--json", str(path))
    # So short a run may tell of growth: it is all warm-up.
    assert start_process(sys.executable, *run).wait(150.0) in (0, 1)
    report = json.loads(path.read_text())
    assert report["answered"] == 60 and report["lost"] == 0 and report["hands"] > 60
    assert len(report["samples"]) == 10 and report["samples"][-1]["resident_mb"] > 50
