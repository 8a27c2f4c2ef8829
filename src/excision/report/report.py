"""The report of a folder of results: one self-contained HTML page that loads nothing else."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from excision.evaluation.examples import Outcome
from excision.method.calibration.rarity import Basis, in_words
from excision.report.capability_page import kept_content
from excision.report.charts import charts_of, kinds_of
from excision.report.conditions import conditions_of
from excision.report.example_stages import EXAMPLES, StagedExample, read_examples
from excision.report.own_words import Words, kept_words
from excision.report.page import digest, page_part, page_template, shared_part
from excision.report.results_folder import ResultsFolder, Row, Summary, open_results
from excision.report.signing import INSPECTED, MEASURED, signing
from excision.report.tables import Table, histogram_table, kinds_table, thresholds_table
from excision.report.wording import cover
from excision.system.files import atomic_path
from excision.version import __version__
from excision.visualization import pictures

REPORT = "report.html"

_NOTED = 20
_MOST_KINDS = 200

HEADINGS: dict[Outcome, str] = {
    "missed defect": "Missed defects, lowest scores first",
    "false alarm": "False alarms, highest scores first",
    "detected defect": "Detected defects",
    "passed good": "Good images that passed",
    "unfit good": "Good images that were unfit: no verdict on the part",
    "unfit defect": "Defective images that were unfit: no verdict on the part",
    "defect": "Defects found, highest scores first",
    "unfit": "Unfit images: no verdict on the part",
    "review": "To review, highest scores first",
    "good": "Good images that came closest to an alarm",
}

SUSPECTS = {
    "defect": "Suspects above the threshold, highest scores first",
    "unfit": "Suspects that are unlike the other good images as a whole",
}
"""Headings of suspects; `BELOW` is that of all others."""

BELOW = "Suspects at or below the threshold, highest scores first"

BOXED = ("Input", "Anomaly map")
"""Stages that are shown with the boxes around what is above the threshold."""

ZOOM = {
    "previous": "Previous picture",
    "next": "Next picture",
    "level": "Size of a pixel of the picture on this screen",
    "larger": "Zoom in",
    "smaller": "Zoom out",
    "fit": "Fit",
    "pixels": "1:1",
    "pixels_about": "One pixel of the picture on one pixel of the screen",
    "close": "Close",
    "stage": "Enlarged picture",
    "help": "Wheel or + and \N{MINUS SIGN} zoom, drag or the arrow keys move, 0 shows the whole picture, "
    "1 one pixel on one pixel, Page Up and Page Down the other pictures, Escape closes.",
}
"""Words of the dialog that enlarges pictures."""

SIGNS = {"defect": "▲", "unfit": "■", "review": "◆", "good": "●"}
"""The shape of each verdict, beside its colour and its word."""


def write_report(folder: Path, out: Path | None = None, words: Words | None = None) -> Path:
    """Write the report of a folder of results as one HTML file, atomically.

    The same results give the same bytes. Only the score of each image is kept in memory, so memory stays
    flat; the page embeds the pictures of `examples/` and links to those of all other images.

    Args:
        folder: that `excision evaluate` or `excision inspect` wrote.
        out: file to write; by default `report.html` in the folder.
        words: of the user; what they leave out is as `evaluate` kept it in the folder.

    Returns:
        The file that was written.

    Raises:
        ResultsError: the folder contains no results, or a file in it is damaged.
    """
    results = open_results(folder)
    own = (words or Words()).over(kept_words(folder))
    summary = results.summarise(_NOTED)
    target = out if out is not None else folder / REPORT
    with (
        atomic_path(target) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n", errors="backslashreplace") as stream,
    ):
        page = page_template("report.html.j2").stream(_content(results, summary, own, target))
        page.enable_buffering(256)
        stream.writelines(page)
    return target


def _content(results: ResultsFolder, summary: Summary, words: Words, target: Path) -> dict[str, Any]:
    from markupsafe import Markup

    front, charts = cover(results, summary), charts_of(results, summary)
    script, theme, zoom = page_part("report.js"), page_part("theme.js"), shared_part("zoom.js")
    links = _Links(results.folder, target.parent)
    return {
        "cover": front,
        "title": words.title or front.title,
        "words": words,
        "conditions": conditions_of(results, words),
        **_signing(results, words),
        "paragraphs": [p for p in (words.notes or "").split("\n") if p.strip()],
        "notes": _notes(results, summary),
        "charts": [(chart, Markup(chart.inline())) for chart in charts.charts],
        "bars": histogram_table(charts.histogram) if charts.histogram else None,
        "tables": _tables(results, summary),
        "sections": _sections(results),
        "study": kept_content(results.folder, results.about.threshold),
        "evaluation": results.about.kind == "evaluation",
        "total": sum(summary.counts.values()),
        "outcomes": _outcomes(summary),
        "labels": sorted({label for label, _ in summary.counts if label is not None})[:_MOST_KINDS],
        "rows": (links.shown(row) for row in results.rows()),
        "links": links,
        "legend": pictures.heat_colours(),
        "signs": SIGNS,
        "version": __version__,
        "scripts": {"theme": Markup(theme), "report": Markup(script), "zoom": Markup(zoom)},
        "policy": " ".join(f"'sha256-{digest(text)}'" for text in (theme, script, zoom)),
        "zoom": ZOOM,
        "boxed": BOXED,
    }


def _signing(results: ResultsFolder, words: Words) -> dict[str, Any]:
    about = results.about
    if about.kind == "evaluation" and about.provenance is not None:
        return signing(MEASURED, words)
    # Nobody signs for suspects among training images, nor for figures of which the model is not known.
    if about.kind == "evaluation" or about.searched is not None:
        return {"acceptance": None, "people": ()}
    return signing(INSPECTED, words)


def _tables(results: ResultsFolder, summary: Summary) -> list[Table]:
    tables = []
    kinds = kinds_of(results)
    if kinds:
        tables.append(kinds_table(kinds))
    good = summary.scores["good"]  # without unfit images, which no threshold judges
    if results.about.kind == "evaluation" and good.size:
        tables.append(thresholds_table(good, summary.scores["defective"], results.about.threshold))
    return tables


def _notes(results: ResultsFolder, summary: Summary) -> list[str]:
    if results.about.kind == "evaluation":
        return [str(note) for note in results.figures.get("notes", ())]
    failed = sum(number for (_, verdict), number in summary.counts.items() if verdict is None)
    notes = [reason for _, reason in summary.first_errors]
    if failed > len(notes):
        notes.append(
            f"{failed - len(notes):,} more images could not be inspected; the table of images lists them."
        )
    return notes


def _outcomes(summary: Summary) -> list[tuple[str, int]]:
    """Give the outcomes of the images with their numbers, for the filter."""
    numbers: dict[str, int] = {}
    for (label, verdict), number in summary.counts.items():
        name = Row("", label, None, verdict, None).outcome
        numbers[name] = numbers.get(name, 0) + number
    order = [*HEADINGS, "not inspected"]
    return sorted(numbers.items(), key=lambda item: order.index(item[0]))


@dataclass(slots=True)
class _Links:
    """Makes rows of the page from rows of the results, and counts the pictures that are not on disk."""

    folder: Path
    beside: Path
    missing: int = 0

    def shown(self, row: Row) -> dict[str, Any]:
        """Give a row with the address of its picture, if there is one."""
        return {"row": row, "outcome": row.outcome, "link": self._address(row.overlay)}

    def _address(self, overlay: str | None) -> str | None:
        if overlay is None:
            return None
        picture = self.folder / overlay
        if not picture.is_file():
            self.missing += 1
            return None
        return quote(Path(os.path.relpath(picture, self.beside)).as_posix())


def _sections(results: ResultsFolder) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    """Give the examples under their headings; the pictures of each are read when needed."""
    folder, promise = results.folder, results.about.promise
    suspects = results.about.searched is not None
    basis = None if promise is None else promise.basis
    for kind, group in groupby(read_examples(folder), key=lambda example: example.outcome):
        heading = SUSPECTS.get(kind, BELOW) if suspects else HEADINGS[kind]
        yield heading, (_shown(folder, example, basis) for example in group)


def _shown(folder: Path, example: StagedExample, basis: Basis | None) -> dict[str, Any]:
    stages = [(stage, folder / EXAMPLES / stage.file) for stage in example.stages]
    there = [(stage, _inline(path)) for stage, path in stages if path.is_file()]
    threshold = example.threshold
    level = 50 * example.score / threshold if threshold is not None and threshold > 0 else 0
    first = example.stages[0] if example.stages else None
    tall = first is not None and first.height > 1.5 * first.width
    wide = first is not None and first.width > 1.5 * first.height
    return {
        "example": example,
        "rarity": None if example.p_value is None or example.unfit else in_words(example.p_value, basis),
        "level": min(100.0, max(0.0, level)),
        "shape": "tall" if tall else "wide" if wide else "square",
        "stages": there,
    }


def _inline(path: Path) -> str:
    return f"data:image/webp;base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
