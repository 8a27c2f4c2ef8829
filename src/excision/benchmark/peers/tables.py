"""What was timed, as tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from excision.benchmark.peers.engines import ENGINES, Engine
from excision.benchmark.peers.subjects import EAR, SUBJECTS, label_of
from excision.benchmark.tables import markdown_table

HEAD = (
    "method",
    "engine",
    "threads",
    "ms",
    "images/s",
    "x EAR",
    "GFLOP",
    "GFLOP/s",
    "parameters",
    "model (MB)",
    "peak memory (MB)",
    "first result (s)",
    "energy (J)",
)

WHAT_IS_TIMED = (
    "Timed: one image, already decoded and resized, from the array to the map and the score. Not timed: "
    "decoding, resizing, overlays. Methods beside EAR have random weights, on which their time does not "
    "depend; int8 is calibrated on noise and says nothing of accuracy.",
    '"x EAR" is the time relative to EAR in the same engine with as many threads, whose turn came between: '
    "the median of the ratios of each round.",
    "GFLOP counts convolutions and matrix products, two operations per multiply-add. The first result is "
    "counted from the start of the process; in torch it includes drawing the random weights.",
)

SHORT = ("method", "engine", "threads", "ms", "x EAR", "GFLOP", "peak memory (MB)", "first result (s)")
"""What a terminal has room for."""

Row = tuple[str, Engine, int, dict[str, Any]]


def rows_of(content: dict[str, Any]) -> Iterator[Row]:
    """Give name, engine, threads and figures of every timing."""
    for key, figures in content["timings"].items():
        name, engine, threads = key.split(" ")
        (known,) = [each for each in ENGINES if f"{each.name}-{each.precision}" == engine]
        yield name, known, int(threads), figures


def cells(content: dict[str, Any]) -> list[list[str]]:
    """Give the cells under `HEAD`, by threads and engine, EAR first and the others by their time."""
    found = [(*row[1:3], row) for row in rows_of(content) if "error" not in row[3]]
    order = {engine: place for place, engine in enumerate(dict.fromkeys(each[0] for each in found))}

    def rank(entry: tuple[Engine, int, Row]) -> tuple[int, int, bool, float]:
        name, engine, threads, figures = entry[2]
        return threads, order[engine], name != EAR, figures["milliseconds"]

    return [_line(content["costs"], entry[2]) for entry in sorted(found, key=rank)]


def short_cells(content: dict[str, Any]) -> list[list[str]]:
    """Give the cells under `SHORT`."""
    places = [HEAD.index(name) for name in SHORT]
    return [[line[place] for place in places] for line in cells(content)]


def _line(costs: dict[str, dict[str, int]], row: Row) -> list[str]:
    name, engine, threads, figures = row
    milliseconds, joules = figures["milliseconds"], figures["joules"]
    return [
        label_of(name),
        engine.label,
        str(threads),
        _short(milliseconds),
        _short(1000 / milliseconds),
        _short(figures["ratio_to_ear"]),
        _short(costs[name]["operations"] / 1e9),
        f"{figures['gflops']:.0f}",
        f"{costs[name]['parameters'] / 1e6:.1f} M",
        f"{figures['model_mb']:,.0f}",
        f"{figures['peak_memory_mb']:,.0f}",
        f"{figures['first_result']:.2f}",
        "-" if joules is None else _short(joules),
    ]


def _short(value: float) -> str:
    """Give three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def failures(content: dict[str, Any]) -> dict[str, str]:
    """Give what could not be timed, with the reason."""
    found = {
        f"{label_of(name)}, {engine.label}, {threads} threads": figures["error"]
        for name, engine, threads, figures in rows_of(content)
        if "error" in figures
    }
    too_large = (name for name in content["costs"] if name != EAR and not SUBJECTS[name].exports)
    return found | {f"{label_of(name)}, exported": "its weights exceed one ONNX file" for name in too_large}


def notes_of(content: dict[str, Any]) -> list[str]:
    """Say what is timed, and what the methods are."""
    sizes = [f"{SUBJECTS[name].label}: {SUBJECTS[name].note}." for name in content["costs"] if name != EAR]
    return [*WHAT_IS_TIMED, " ".join(sizes)]


def markdown(content: dict[str, Any]) -> str:
    """Give the page of the results."""
    from excision.benchmark.tables import machine_lines

    failed = [f"- Not timed: {what}: {why}" for what, why in failures(content).items()]
    return "\n".join(
        [
            "# Speed peers",
            "",
            *machine_lines([content["identity"]["machine"]]),
            "",
            *(f"- {line}" for line in notes_of(content)),
            *failed,
            "",
            markdown_table(HEAD, cells(content)),
            "",
        ]
    )
