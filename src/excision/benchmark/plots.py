"""The results of a benchmark as two PNG pictures."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from excision.benchmark.aggregate import Line
from excision.benchmark.plan import EAR
from excision.report.figures import DEFECT_COLOUR, GOOD_COLOUR

_DPI = 130


def speed_figure(lines: Sequence[Line]) -> bytes | None:
    """Plot image AUROC against images per second at batch 1, one mark per method; None without figures."""
    figure = Figure(figsize=(6.4, 4.6), layout="constrained", facecolor="white")
    axes = figure.subplots()
    drawn = 0
    for line in lines:
        auroc, speed = line.figures["image_auroc"], line.speeds.get("1")
        if auroc is None or speed is None:
            continue
        drawn += 1
        ours = line.key == EAR
        axes.errorbar(
            speed.images_per_second,
            auroc.mean,
            yerr=auroc.deviation,
            fmt="D" if ours else "o",
            color=DEFECT_COLOUR if ours else GOOD_COLOUR,
            capsize=3,
        )
        axes.annotate(
            line.label,
            (speed.images_per_second, auroc.mean),
            xytext=(6, 5),
            textcoords="offset points",
            fontsize=9,
            parse_math=False,
        )
    axes.set_xscale("log")
    axes.set(xlabel="Images per second, batch 1", ylabel="Image AUROC")
    axes.margins(x=0.2, y=0.15)
    # AUROC is at most 1; the margin keeps a mark at 1 from being cut off.
    axes.set_ylim(top=min(axes.get_ylim()[1], 1.02))
    _quieten(axes)
    return _png(figure) if drawn else None


def accuracy_figure(tables: Mapping[str, Sequence[Line]]) -> bytes | None:
    """Draw bars of image AUROC and AP with error bars, one panel per data set; None without figures."""
    shown = {
        name: [line for line in lines if line.figures["image_auroc"] is not None]
        for name, lines in tables.items()
    }
    shown = {name: lines for name, lines in shown.items() if lines}
    if not shown:
        return None
    most = max(len(lines) for lines in shown.values())
    size = (max(4.5, 0.9 * most + 1.5), 3.4 * len(shown) + 0.4)
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    panels = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
    for axes, (name, lines) in zip(panels, shown.items(), strict=True):
        _bars(axes, lines)
        axes.set_title(name, loc="left", fontsize=11, parse_math=False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    return _png(figure)


def _bars(axes: Axes, lines: Sequence[Line]) -> None:
    places = np.arange(len(lines))
    for offset, name, label, colour, hatch in (
        (-0.2, "image_auroc", "image AUROC", GOOD_COLOUR, ""),
        (0.2, "image_ap", "image AP", DEFECT_COLOUR, "////"),
    ):
        spreads = [line.figures[name] for line in lines]
        axes.bar(
            places + offset,
            [spread.mean if spread else 0 for spread in spreads],
            width=0.38,
            yerr=[(spread.deviation or 0) if spread else 0 for spread in spreads],
            capsize=3,
            label=label,
            color=(colour, 0.35),
            edgecolor=colour,
            hatch=hatch,
        )
    labels = [line.label for line in lines]
    axes.set_xticks(places, labels, rotation=30, ha="right", fontsize=9, parse_math=False)
    axes.set_ylim(0, 1.05)
    _quieten(axes)


def _quieten(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", linewidth=0.5, alpha=0.5)
    axes.set_axisbelow(True)


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_DPI)
    return stream.getvalue()
