"""The figures of an evaluation as PNG files in memory, all in one restrained style."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from excision.evaluation.pictures import Picture

# Blue and vermilion of Okabe and Ito (2008), which colour-blind eyes tell apart; hatching does so on a grey
# print.
GOOD_COLOUR = "#0072B2"
DEFECT_COLOUR = "#D55E00"
_INK = "#1a1d21"
_QUIET = "#5a636e"
_FAINT = "#c9ced6"
_CHANCE = "#8a939d"
_DPI = 130
_NAME_LENGTH = 26


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of a curve with x rising, the area under it, and where the decision threshold puts one on it."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    area: float
    working_point: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture of a sheet, with its name and its score."""

    name: str
    score: float
    picture: Picture


def roc_figure(curve: Curve) -> bytes:
    """Draw detection rate over false-alarm rate, with the diagonal that chance gives."""
    figure, axes = _unit_axes("False-alarm rate", "Detection rate")
    axes.plot([0, 1], [0, 1], color=_CHANCE, linewidth=1, linestyle=(0, (4, 3)), label="chance")
    _draw(axes, curve, f"image AUROC {curve.area:.3f}")
    return _finished(figure)


def precision_recall_figure(curve: Curve, prevalence: float) -> bytes:
    """Draw precision over detection rate; chance gives the share of defects among the images."""
    figure, axes = _unit_axes("Detection rate (recall)", "Precision")
    axes.axhline(prevalence, color=_CHANCE, linewidth=1, linestyle=(0, (4, 3)), label="chance")
    _draw(axes, curve, f"image AP {curve.area:.3f}", stepped=True)
    return _finished(figure)


def histogram_figure(good: NDArray[np.float64], defect: NDArray[np.float64], threshold: float) -> bytes:
    """Draw how the scores of good and of defective images are spread, and the threshold between them."""
    figure, axes = _axes("Anomaly score", "Share of the images of its kind")
    everything = np.concatenate([good, defect, [threshold] if np.isfinite(threshold) else []])
    edges = np.histogram_bin_edges(everything, bins=40).tolist()
    for scores, name, colour, hatch in (
        (good, "good", GOOD_COLOUR, ""),
        (defect, "defect", DEFECT_COLOUR, "////"),
    ):
        if len(scores):
            shares = np.full(len(scores), 1 / len(scores))
            looks: dict[str, Any] = {"histtype": "stepfilled", "edgecolor": colour, "hatch": hatch}
            fill = (*_rgb(colour), 0.28)
            axes.hist(scores, edges, weights=shares, label=f"{name} ({len(scores)})", facecolor=fill, **looks)
    if np.isfinite(threshold):
        label = f"threshold {threshold:.4g}"
        axes.axvline(threshold, color=_INK, linewidth=1.2, linestyle=(0, (5, 2)), label=label)
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    return _finished(figure)


def sheet_figure(groups: Sequence[tuple[str, Sequence[Tile]]]) -> bytes:
    """Draw a sheet of pictures: for each group its heading, then its pictures in rows.

    Args:
        groups: headings and at least one picture each; all pictures of one size.
    """
    height, width, _ = groups[0][1][0].picture.shape
    most = 8 if height > 1.5 * width else 5
    cell = 12.8 / most
    columns = max(3, min(most, max(len(tiles) for _, tiles in groups)))
    rows = [-(-len(tiles) // columns) for _, tiles in groups]
    heights = [count * (cell * height / width + 0.45) + 0.4 for count in rows]
    figure = Figure(figsize=(cell * columns, sum(heights)), layout="constrained")
    parts = figure.subfigures(len(groups), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, (heading, tiles), count in zip(parts, groups, rows, strict=True):
        part.suptitle(heading, x=0.01, ha="left", fontsize=12, fontweight="bold", color=_INK)
        cells = list(part.subplots(count, columns, squeeze=False).flat)
        for axes in cells:
            axes.set_axis_off()
        for axes, tile in zip(cells, tiles, strict=False):
            axes.imshow(tile.picture, interpolation="antialiased")
            title = f"{_shortened(tile.name)}\nscore {tile.score:.4g}"
            # A file name may hold dollar signs, which would else be read as a formula.
            axes.set_title(title, fontsize=8, color=_INK, parse_math=False)
    return _png(figure)


def _draw(axes: Axes, curve: Curve, label: str, stepped: bool = False) -> None:
    style = "steps-pre" if stepped else "default"
    axes.plot(curve.x, curve.y, color=GOOD_COLOUR, linewidth=1.8, drawstyle=style, label=label)
    x, y = curve.working_point
    if np.isfinite([x, y]).all():
        marker: dict[str, Any] = {"markersize": 8, "markeredgecolor": "white", "clip_on": False, "zorder": 3}
        axes.plot(x, y, "D", color=DEFECT_COLOUR, label="at the threshold", linestyle="none", **marker)


def _unit_axes(x: str, y: str) -> tuple[Figure, Axes]:
    figure, axes = _axes(x, y)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    return figure, axes


def _axes(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5.6, 4.6), layout="constrained", facecolor="white")
    axes = figure.subplots()
    axes.set_xlabel(x, color=_INK)
    axes.set_ylabel(y, color=_INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_FAINT)
    axes.tick_params(color=_FAINT, labelcolor=_QUIET)
    axes.grid(color=_FAINT, linewidth=0.5, alpha=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def _shortened(name: str) -> str:
    """Keep the end of a long name, which tells files apart."""
    return name if len(name) <= _NAME_LENGTH else "…" + name[1 - _NAME_LENGTH :]


def _finished(figure: Figure) -> bytes:
    """Put the legend above the axes, where no curve can run into it."""
    figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=9, columnspacing=1.2)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        # A file name may hold a letter that the font lacks; a box in its place is good enough.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(stream, format="png", dpi=_DPI)
    return stream.getvalue()
