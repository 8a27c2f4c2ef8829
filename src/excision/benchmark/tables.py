"""The results of a benchmark as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from excision.benchmark.aggregate import Line, Spread
from excision.benchmark.rates import RATES, WANTED

METHOD_HEAD = (
    "method",
    "image AUROC",
    "image AP",
    "pixel AUROC",
    "pixel AP",
    "AUPRO",
    "training (min)",
    "images/s, batch 1",
    "images/s, batch 16",
    "peak (MB)",
    "parameters",
    "passes",
)
RATE_HEAD = (
    "method",
    *(
        f"{wanted:.0%} wanted: {what}".replace("%", " %")
        for wanted in WANTED
        for what in ("promised", "observed", "defects found")
    ),
)
ABLATION_HEAD = (*METHOD_HEAD[:7], "passes")


def method_cells(line: Line) -> list[str]:
    """Return the cells of a line under `METHOD_HEAD`."""
    speeds = [_speed(line, "1"), _speed(line, "16")]
    peak, parameters, passes = (line.figures[n] for n in ("peak_memory_mb", "parameters", "passes"))
    return [*_quality(line), *speeds, _plain(peak), _plain(parameters, ","), _plain(passes, "g")]


def rate_cells(line: Line) -> list[str]:
    """Return the cells of a line under `RATE_HEAD`."""
    return [line.label, *(_percent(line.figures[name]) for name in RATES)]


def ablation_cells(line: Line) -> list[str]:
    """Return the cells of a line under `ABLATION_HEAD`."""
    return [*_quality(line), _plain(line.figures["passes"], "g")]


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a table with the first column aligned left and the others aligned right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in lines)


def machine_lines(machines: Sequence[dict[str, Any]]) -> list[str]:
    """Describe each machine that contributed to the results, once."""
    lines = []
    for machine in machines:
        accelerator = f", {machine['accelerator']}" if machine["accelerator"] else ""
        lines.append(
            f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads{accelerator}; "
            f"torch {machine['torch']}, Python {machine['python']}, Excision {machine['excision']}"
        )
    return list(dict.fromkeys(lines))


def _quality(line: Line) -> list[str]:
    names = ("image_auroc", "image_ap", "pixel_auroc", "pixel_ap", "aupro")
    spent = line.figures["training_seconds"]
    return [line.label, *(_with_spread(line.figures[name]) for name in names), _minutes(spent)]


def _with_spread(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    return f"{spread.mean:.3f}" + (f" ± {spread.deviation:.3f}" if spread.deviation is not None else "")


def _percent(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    deviation = "" if spread.deviation is None else f" ± {100 * spread.deviation:.1f}"
    return f"{100 * spread.mean:.1f}{deviation} %"


def _minutes(spread: Spread | None) -> str:
    return "-" if spread is None else f"{spread.mean / 60:.1f}"


def _plain(spread: Spread | None, form: str = "") -> str:
    return "-" if spread is None else f"{spread.mean:{form or ''}{'' if form == 'g' else '.0f'}}"


def _speed(line: Line, batch: str) -> str:
    speed = line.speeds.get(batch)
    if speed is None:
        return "-"
    ratio = "" if speed.ratio is None else f" ({speed.ratio:.2f}x)"
    shown = speed.images_per_second
    return f"{shown:,.0f}{ratio}" if shown >= 100 else f"{shown:.3g}{ratio}"
