# SPDX-License-Identifier: Apache-2.0
"""The status of one stream in /diagnostics, built from its figures."""

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from digit_ros.counters import Summary


def diagnostic_status(
    name: str, summary: Summary, facts: dict[str, str], complaint: str
) -> DiagnosticStatus:
    """WARN with `complaint` where there is one, else OK.

    Args:
        name: what the status is about, for example "digit: image".
        summary: the stream's figures.
        facts: further rows, for example model and device.
        complaint: newest sentence about bad input or missing images, empty when all is well.
    """
    status = DiagnosticStatus(name=name, hardware_id=facts.get("device", ""))
    status.level = DiagnosticStatus.WARN if complaint else DiagnosticStatus.OK
    status.message = complaint or _all_is_well(summary)
    rows = {**_rows(summary), **facts}
    status.values = [KeyValue(key=key, value=value) for key, value in rows.items()]
    return status


def _all_is_well(summary: Summary) -> str:
    if summary.rate_in_hz and not summary.rate_out_hz and summary.idle:
        return f"idle at {summary.rate_in_hz:.1f} Hz: nobody subscribes to any result"
    return f"{summary.rate_out_hz:.1f} Hz out of {summary.rate_in_hz:.1f} Hz"


def _rows(summary: Summary) -> dict[str, str]:
    rows = {
        "frames received": str(summary.received),
        "frames processed": str(summary.processed),
        "frames dropped": str(summary.dropped),
        "frames idle": str(summary.idle),
        "bad inputs": str(sum(summary.bad.values())),
        "rate in (Hz)": f"{summary.rate_in_hz:.2f}",
        "rate out (Hz)": f"{summary.rate_out_hz:.2f}",
    }
    rows.update({f"bad inputs: {kind}": str(count) for kind, count in sorted(summary.bad.items())})
    for stage, (median, p99) in summary.latency_ms.items():
        rows[f"{stage} p50 (ms)"] = f"{median:.2f}"
        rows[f"{stage} p99 (ms)"] = f"{p99:.2f}"
    return rows
