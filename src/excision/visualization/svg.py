"""Drawing charts as SVG: the few shapes, scales and axes that the figures need.

Colours come from classes, so that a chart follows the theme of its page; `templates/figure.css` gives each
class a colour if there is no page.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import resources

WIDTH, HEIGHT = 460, 320
LEFT, RIGHT, TOP, BOTTOM = 60, 434, 44, 270
"""Position of a plot in its chart."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values from `low` to `high` to positions from `start` to `end` in the drawing."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Give the position of a value; values outside the range are placed at its end."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale with its title and its marks: values with their labels."""

    title: str
    scale: Scale
    marks: Sequence[tuple[float, str]]


@dataclass(slots=True)
class Chart:
    """A picture under construction.

    Attributes:
        name: letters and hyphens only; prefix of every id, so that charts can share a page.
        title: what the chart shows.
        description: text for readers who cannot see the chart, including its figures.
        height: height of the drawing; the width is fixed.
    """

    name: str
    title: str
    description: str
    height: int = HEIGHT
    _parts: list[str] = field(default_factory=list)

    def line(self, start: Point, end: Point, kind: str) -> None:
        """Draw a straight line."""
        self.path([start, end], kind)

    def path(self, points: Iterable[Point], kind: str, closed: bool = False) -> None:
        """Connect points by straight lines."""
        steps = "L".join(f"{_short(x)} {_short(y)}" for x, y in points)
        self._parts.append(f'<path class="{kind}" d="M{steps}{"Z" if closed else ""}"/>')

    def box(self, corner: Point, size: Point, kind: str) -> None:
        """Draw a rectangle from its upper left corner, width and height."""
        (x, y), (width, height) = corner, size
        self._parts.append(
            f'<rect class="{kind}" x="{_short(x)}" y="{_short(y)}" '
            f'width="{_short(width)}" height="{_short(height)}"/>'
        )

    def hatch(self, name: str) -> str:
        """Define stripes and give the fill that draws them."""
        whole = f"{self.name}-{name}"
        self._parts.append(
            f'<defs><pattern id="{whole}" width="6" height="6" patternUnits="userSpaceOnUse" '
            f'patternTransform="rotate(45)"><rect class="{name} wash" width="6" height="6"/>'
            f'<path class="{name} edge" d="M0 0V6"/></pattern></defs>'
        )
        return f"url(#{whole})"

    def filled(self, points: Iterable[Point], kind: str, fill: str | None) -> None:
        """Draw an area; `fill` is the result of `hatch`, or None for the colour of its kind."""
        steps = "L".join(f"{_short(x)} {_short(y)}" for x, y in points)
        style = f' style="fill:{fill}"' if fill else ""
        self._parts.append(f'<path class="{kind}"{style} d="M{steps}Z"/>')

    def text(self, place: Point, words: str, kind: str = "", anchor: str = "start", turn: int = 0) -> None:
        """Write text that starts, is centred or ends ("start", "middle", "end") at a position."""
        x, y = _short(place[0]), _short(place[1])
        turned = f' transform="rotate({turn} {x} {y})"' if turn else ""
        self._parts.append(
            f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}"{turned}>{escape(words)}</text>'
        )

    def axes(self, x: Axis, y: Axis) -> None:
        """Draw grid, marks and titles of a plot."""
        left, right, top, bottom = x.scale.start, x.scale.end, y.scale.end, y.scale.start
        for value, words in y.marks:
            self.line((left, y.scale(value)), (right, y.scale(value)), "grid")
            self.text((left - 7, y.scale(value) + 4), words, "mark", "end")
        for value, words in x.marks:
            self.line((x.scale(value), bottom), (x.scale(value), bottom + 4), "axis")
            self.text((x.scale(value), bottom + 19), words, "mark", "middle")
        self.line((left, bottom), (right, bottom), "axis")
        self.text(((left + right) / 2, bottom + 40), x.title, "", "middle")
        self.text((14, (top + bottom) / 2), y.title, "", "middle", turn=-90)

    def inline(self) -> str:
        """Give the chart for a page."""
        return self._svg("", "")

    def standalone(self) -> str:
        """Give the chart as a standalone file."""
        style = (
            resources.files("excision.visualization").joinpath("templates", "figure.css").read_text("utf-8")
        )
        ground = f'<rect class="ground" width="{WIDTH}" height="{self.height}"/>'
        return self._svg(' xmlns="http://www.w3.org/2000/svg"', f"<style>{style}</style>{ground}") + "\n"

    def _svg(self, attributes: str, before: str) -> str:
        return (
            f'<svg{attributes} class="chart" role="img" viewBox="0 0 {WIDTH} {self.height}" '
            f'aria-labelledby="{self.name}-title {self.name}-desc">'
            f'<title id="{self.name}-title">{escape(self.title)}</title>'
            f'<desc id="{self.name}-desc">{escape(self.description)}</desc>'
            f"{before}{''.join(self._parts)}</svg>"
        )


def nice_step(extent: float, count: int) -> float:
    """Give the smallest of 1, 2 and 5 times a power of ten that takes at most `count` steps for `extent`."""
    rough = extent / count
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))


def marks(low: float, high: float, count: int = 6) -> list[tuple[float, str]]:
    """Give round values between two numbers, with their labels."""
    step = nice_step(high - low, count)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(number * step, f"{number * step:.6g}") for number in range(first, last + 1)]


def share_marks(high: float = 1.0) -> list[tuple[float, str]]:
    """Give round shares from 0 on, with labels in per cent."""
    return [(value, f"{100 * value:.4g} %") for value, _ in marks(0, high, 5)]


def shorten(words: str, length: int) -> str:
    """Shorten long text to its end, which distinguishes file names."""
    return words if len(words) <= length else "…" + words[1 - length :]


def _short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
