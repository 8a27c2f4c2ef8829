"""The rate of each method against what the machine can do, as a picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from excision.benchmark.peers.subjects import EAR, label_of
from excision.benchmark.peers.tables import Row, rows_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKS = {"torch": "o", "onnx": "s", "openvino": "^"}


def roofline(content: dict[str, Any], threads: int) -> bytes | None:
    """Draw each method's rate against what this machine can do, as a PNG; None if nothing was timed.

    Williams, Waterman, Patterson, "Roofline: an insightful visual performance model", CACM 2009. The level
    roof is the largest rate of a matrix product in float32, measured between the rounds; an engine with
    better kernels than torch may exceed it. Operators that are fused read and write less than the traffic
    that is counted here.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, StrMethodFormatter

    rows = [row for row in rows_of(content) if row[2] == threads and "error" not in row[3]]
    rows = [row for row in rows if row[1].precision == "fp32"]
    if not rows:
        return None
    figure = Figure(figsize=(8.0, 5.2), layout="constrained", facecolor="white")
    axes = figure.subplots()
    axes.set(xscale="log", yscale="log", xlabel="Operations per byte of traffic", ylabel="GFLOP/s")
    axes.set_title(
        f"float32, {threads} thread{'s' if threads > 1 else ''}: "
        "torch (circle), ONNX Runtime (square), OpenVINO (triangle)",
        fontsize=9,
    )
    axes.margins(x=0.1, y=0.15)
    _draw_methods(axes, content, rows)
    _draw_roof(axes, max(row[3]["peak_gflops"] for row in rows))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=130, metadata={"Software": None})
    return stream.getvalue()


def _draw_methods(axes: Axes, content: dict[str, Any], rows: Sequence[Row]) -> None:
    from excision.report.figures import DEFECT_COLOUR, GOOD_COLOUR

    lowest: dict[str, tuple[float, float]] = {}
    for name, engine, _, figures in rows:
        cost = content["costs"][name]
        place = (cost["operations"] / cost["traffic"], figures["gflops"])
        colour = DEFECT_COLOUR if name == EAR else GOOD_COLOUR
        axes.plot(*place, _MARKS[engine.name], color=colour, markersize=6)
        lowest[name] = min(place, lowest.get(name, place))
    for name, place in lowest.items():
        # Upright and below, so that neighbours do not overlap.
        axes.annotate(
            label_of(name),
            place,
            (0, -8),
            textcoords="offset points",
            fontsize=8,
            rotation=90,
            horizontalalignment="center",
            verticalalignment="top",
        )
    axes.set_ylim(bottom=min(rate for _, rate in lowest.values()) / 3)


def _draw_roof(axes: Axes, rate: float) -> None:
    axes.axhline(rate, color="0.4", linewidth=1)
    axes.annotate(
        f"largest measured matrix product: {rate:.0f} GFLOP/s",
        (0.01, rate),
        (0, 4),
        fontsize=8,
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
    )
