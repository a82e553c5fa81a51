# SPDX-License-Identifier: Apache-2.0
"""Counts, rates and percentiles, and the message that carries them."""

from diagnostic_msgs.msg import DiagnosticStatus

from digit_ros.counters import Counters, Summary
from digit_ros.diagnostics import diagnostic_status


def test_counts_and_rates_since_the_last_summary():
    counters = Counters(now_s=10.0)
    for number in range(6):
        counters.frame_received(dropped=number in (2, 4))
    for _ in range(4):
        counters.frame_processed({"network": 5.0})
    counters.bad_input("image")
    first = counters.summary(now_s=12.0)
    assert (first.received, first.processed, first.dropped) == (6, 4, 2)
    assert (first.rate_in_hz, first.rate_out_hz) == (3.0, 2.0)
    assert first.bad == {"image": 1}
    second = counters.summary(now_s=13.0)
    assert (second.received, second.rate_in_hz, second.rate_out_hz) == (6, 0.0, 0.0)


def test_latency_is_median_and_99th_percentile_by_stage():
    counters = Counters(now_s=0.0)
    for milliseconds in range(101):
        counters.frame_processed({"network": float(milliseconds)})
    assert counters.summary(1.0).latency_ms == {"network": (50.0, 99.0)}


def status(complaint: str) -> DiagnosticStatus:
    """The status of a made-up stream."""
    summary = Summary(
        received=9,
        processed=7,
        dropped=2,
        bad={"image": 3},
        rate_in_hz=30.0,
        rate_out_hz=25.0,
        latency_ms={"network": (5.0, 9.0)},
    )
    return diagnostic_status("digit: image", summary, {"device": "cpu"}, complaint)


def test_status_is_ok_with_the_figures():
    good = status("")
    rows = {row.key: row.value for row in good.values}
    assert (good.level, good.name) == (DiagnosticStatus.OK, "digit: image")
    assert rows["frames dropped"] == "2" and rows["bad inputs: image"] == "3"
    assert rows["network p99 (ms)"] == "9.00" and rows["rate in (Hz)"] == "30.00"
    assert rows["device"] == "cpu"


def test_nobody_who_listens_shows():
    summary = Summary(received=9, idle=9, rate_in_hz=30.0)
    idle = diagnostic_status("digit: image", summary, {}, "")
    assert idle.message == "idle at 30.0 Hz: nobody subscribes to any result"
    assert {row.key: row.value for row in idle.values}["frames idle"] == "9"


def test_a_complaint_makes_it_a_warning():
    bad = status("no images")
    assert (bad.level, bad.message) == (DiagnosticStatus.WARN, "no images")
