"""One self-contained HTML page: figures and examples with every stage, nothing loaded from anywhere."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from excision import __version__
from excision.evaluation import pictures
from excision.evaluation.examples import Example, Outcome
from excision.evaluation.pictures import Picture
from excision.files import write_text
from excision.results import Verdict

if TYPE_CHECKING:
    from jinja2 import Template

# Beyond this a panel shows no more on a screen; it is the most that a default working image has.
_PANEL_PIXELS = 163_840
# 24 examples of 7 panels at this many bytes, as base64, stay under 8 MB with the figures.
_PANEL_BYTES = 32_000
_QUALITIES = (84, 70, 50, 30, 10)
# Charts are far below this as PNG; a sheet of photographs is not.
_FIGURE_BYTES = 200_000

HEADINGS: dict[Outcome, str] = {
    "missed defect": "Missed defects, lowest scores first",
    "false alarm": "False alarms, highest scores first",
    "detected defect": "Detected defects",
    "passed good": "Good parts that passed",
    "defect": "Defects found",
    "review": "To review, highest scores first",
    "good": "Good parts",
}


@dataclass(frozen=True, slots=True)
class Card:
    """A headline figure.

    Attributes:
        name: what it is.
        value: the figure as it is to be read.
        hint: one short line that says how to read it.
    """

    name: str
    value: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A small table: the first column is text, the others are figures, or text too where `text` says so."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    text: bool = False


@dataclass(frozen=True, slots=True)
class _Panel:
    caption: str
    source: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class _Shown:
    """An example as the template needs it; `level` is the score on a scale where the threshold is 50."""

    name: str
    label: str | None
    outcome: Outcome
    verdict: Verdict
    score: float
    threshold: float
    level: float
    shape: str
    panels: tuple[_Panel, ...]


def write_report(
    path: Path,
    title: str,
    facts: Sequence[tuple[str, str]],
    cards: Sequence[Card],
    figures: Sequence[tuple[str, bytes]],
    examples: Iterable[Example],
    *,
    notes: Sequence[str] = (),
    tables: Sequence[Table] = (),
) -> None:
    """Write a report as one HTML file, atomically.

    Args:
        path: file to write.
        title: heading of the page.
        facts: names and values of what was inspected with what.
        cards: headline figures, at the top.
        figures: captions and PNG files.
        examples: images to show with every stage, those of one outcome beside each other. They are taken one
            by one and only their compressed pictures kept, so a generator keeps memory flat.
        notes: sentences that a reader must not miss.
        tables: small tables, after the headline figures.
    """
    shown = [_show(example) for example in examples]
    page = _template().render(
        title=title,
        facts=facts,
        cards=cards,
        notes=notes,
        tables=tables,
        figures=[_figure(caption, content) for caption, content in figures],
        sections=[(HEADINGS[kind], list(group)) for kind, group in groupby(shown, key=lambda s: s.outcome)],
        legend=pictures.heat_colours(),
        version=__version__,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
    write_text(path, page)


def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("excision.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")


def _show(example: Example) -> _Shown:
    prediction = example.prediction
    height, width = prediction.anomaly_map.shape
    usable = 0 < prediction.threshold < float("inf")
    return _Shown(
        name=example.name,
        label=example.label,
        outcome=example.outcome,
        verdict=prediction.verdict,
        score=prediction.score,
        threshold=prediction.threshold,
        level=min(50 * prediction.score / prediction.threshold, 100) if usable else 0,
        shape="tall" if height > 1.5 * width else "wide" if width > 1.5 * height else "square",
        panels=tuple(_panels(example)),
    )


def _panels(example: Example) -> Iterable[_Panel]:
    p = example.prediction
    yield _panel("Input", pictures.show_image(p.image))
    yield _panel("Attention", pictures.attention_map(p.attention))
    yield _panel("Mask", pictures.show_mask(p.image, p.mask))
    yield _panel("Holed image", pictures.show_image(p.holed))
    yield _panel("Recovery", pictures.show_image(p.recovery))
    yield _panel("Anomaly map", pictures.heat_map(p.anomaly_map, p.threshold))
    if example.ground_truth is not None:
        yield _panel("Ground truth", pictures.show_ground_truth(p.image, example.ground_truth))


def _panel(caption: str, picture: Picture) -> _Panel:
    image = Image.fromarray(picture)
    excess = (image.width * image.height / _PANEL_PIXELS) ** 0.5
    if excess > 1:
        size = max(1, round(image.width / excess)), max(1, round(image.height / excess))
        image = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2)
    return _Panel(caption, _inline(_compressed(image), "webp"), image.width, image.height)


def _compressed(image: Image.Image) -> bytes:
    """Give WebP of the best quality that stays within a panel's share of the file."""
    content = b""
    for quality in _QUALITIES:
        stream = io.BytesIO()
        image.save(stream, format="WEBP", quality=quality, method=2)
        content = stream.getvalue()
        if len(content) <= _PANEL_BYTES:
            break
    return content


def _figure(caption: str, content: bytes) -> _Panel:
    with Image.open(io.BytesIO(content)) as image:
        size = image.size
        kind = "png"
        if len(content) > _FIGURE_BYTES:
            stream = io.BytesIO()
            image.convert("RGB").save(stream, format="WEBP", quality=70, method=2)
            content, kind = stream.getvalue(), "webp"
    return _Panel(caption, _inline(content, kind), *size)


def _inline(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
