# SPDX-License-Identifier: Apache-2.0
"""Draw docs/images/scale.png, how cost grows with cameras, image size, data set and processes.

    pip install -r requirements/plots.txt
    python -m benchmarks.plot_scale FOLDER [--output docs/images/scale.png]

FOLDER holds node.json of `benchmarks.scale_node`, annotations.json of `benchmarks.annotations` and
processes.json of `benchmarks.scale_processes`, each written by its --json. The rows of the tables
in docs/performance.md are printed.
"""

import argparse
import json
from pathlib import Path

try:
    import matplotlib
except ModuleNotFoundError as error:
    raise SystemExit(f"{error}: pip install -r requirements/plots.txt") from error

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

SIZE_IN, DPI = (8.5, 6.4), 80


def read(folder: Path, name: str) -> dict:
    """A result file.

    Raises:
        SystemExit: it is not there or no JSON.
    """
    try:
        found: dict = json.loads((folder / name).read_text())
    except (OSError, ValueError) as error:
        raise SystemExit(f"{folder / name}: {error}; expected the --json of a benchmark") from error
    return found


def cameras(axes: Axes, rows: list[dict]) -> None:
    """Latency and answers by cameras."""
    count = [row["cameras"] for row in rows]
    for name, style in (("slack", "o-"), ("overload", "s--")):
        at = f"{rows[0][name]['rate_hz']:g} Hz each"
        axes.plot(count, [row[name]["p50_ms"] for row in rows], style, label=f"median, {at}")
    axes.set(title="Cameras in one node", xlabel="cameras, 640x480", ylabel="stamp to skeleton, ms")
    axes.set_xticks(count)


def sizes(axes: Axes, rows: list[dict]) -> None:
    """Processor time by pixels, which other work on the machine hardly changes."""
    sides = [map(int, row["size"].split("x")) for row in rows]
    pixels = [width * height / 1e6 for width, height in sides]
    for name, style in (("node", "o-"), ("relay", "s--")):
        axes.plot(pixels, [row[name]["cpu_ms_an_answer"] for row in rows], style, label=name)
    axes.set(title="Image size", xlabel="megapixels, raw", ylabel="processor time an answer, ms")


def data(axes: Axes, rows: list[dict]) -> None:
    """Start-up and memory by annotations."""
    items = [row["items"] for row in rows]
    axes.plot(items, [row["opening_s"] for row in rows], "o-", label="opening, s")
    axes.plot(items, [row["prepare_s"] for row in rows], "^:", label="prepare, once, s")
    axes.plot(items, [row["worker_mib"] for row in rows], "s--", label="worker's own memory, MiB")
    axes.set(title="Data set", xlabel="annotations", xscale="log", yscale="log")


def processes(axes: Axes, rows: list[dict]) -> None:
    """Images a second by processes."""
    count = [row["processes"] for row in rows]
    rates = [row["images_a_second"] for row in rows]
    axes.plot(count, rates, "o-", label="measured")
    axes.plot(count, [n * rates[0] / count[0] for n in count], "k:", label="in proportion")
    axes.set(title="Training processes (gloo)", xlabel="processes", ylabel="images a second")
    axes.set_xticks(count)


def camera_cells(row: dict) -> list[str]:
    """Of the table of cameras."""
    slack, full = row["slack"], row["overload"]
    return [
        f"{row['cameras']}",
        f"{slack['p50_ms']:.0f} ms ({slack['p99_ms']:.0f})",
        f"{slack['estimate_p50_ms']:.0f} ms",
        f"{full['answers_a_second']:.1f}",
        f"{full['p50_ms']:.0f} ms ({full['p99_ms']:.0f})",
        f"{full['cpu_ms_an_answer']:.0f} ms",
        f"{full['resident_mb']:.0f} MB",
    ]


def size_cells(row: dict) -> list[str]:
    """Of the table of image sizes."""
    relay, node = row["relay"], row["node"]
    return [
        row["size"],
        f"{relay['p50_ms']:.1f} ms",
        f"{relay['cpu_ms_an_answer']:.1f} ms",
        f"{node['p50_ms']:.0f} ms",
        f"{node['estimate_p50_ms']:.0f} ms",
        f"{node['cpu_ms_an_answer']:.0f} ms",
    ]


def data_cells(row: dict) -> list[str]:
    """Of the table of data sets."""
    return [
        f"{row['items']:,}",
        f"{row['json_mb']:.0f} MB",
        f"{row['prepare_s']:.1f} s",
        f"{row['prepare_peak_mib']:.0f} MiB",
        f"{row['arrays_mb']:.0f} MB",
        f"{row['opening_s']:.2f} s",
        f"{row['first_batch_s']:.2f} s",
        f"{row['worker_mib']:.0f} MiB",
    ]


def process_cells(row: dict) -> list[str]:
    """Of the table of processes."""
    return [
        f"{row['processes']}",
        f"{row['images_a_second']:.1f}",
        f"{row['step_s']:.2f} s",
        f"{row['apart_s']:.2f} s",
    ]


def main() -> None:
    """Print the tables' rows and draw the four panels."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, default=Path("docs/images/scale.png"))
    o = parser.parse_args()
    node = read(o.folder, "node.json")
    annotated, trained = (read(o.folder, f"{name}.json") for name in ("annotations", "processes"))
    panels = (
        (cameras, camera_cells, node["cameras"]),
        (sizes, size_cells, node["sizes"]),
        (data, data_cells, annotated["rows"]),
        (processes, process_cells, trained["rows"]),
    )
    figure, places = plt.subplots(2, 2, figsize=SIZE_IN, layout="constrained")
    for axes, (draw, cells, rows) in zip(places.flat, panels, strict=True):
        print("\n".join(f"| {' | '.join(cells(row))} |" for row in rows) + "\n")
        draw(axes, rows)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
        if axes.get_yscale() == "linear":
            axes.set_ylim(bottom=0)
    figure.savefig(o.output, dpi=DPI, metadata={"Software": None})
    print(o.output)


if __name__ == "__main__":
    main()
