"""The pages of fleets: one HTML file each, which loads nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from excision.fleet.concerns import Concern, concerns
from excision.fleet.record import Record
from excision.fleet.table import FleetRow, row_of
from excision.method.calibration.words import at_most, counted, percent
from excision.report.page import digest, page_part, page_template
from excision.report.suspects import FOLDER as SUSPECTS
from excision.system.dates import today
from excision.system.files import write_text
from excision.system.names import printable
from excision.version import __version__

REPORT = "report.html"

_URGENT = ("failed", "promise contradicted")


@dataclass(frozen=True, slots=True)
class Entry:
    """A model with what is to be said of it.

    Attributes:
        name: of the model.
        word: in one word or two.
        sign: shape before the word.
        style: class of the style of verdicts.
        reasons: kind and sentence of each.
        links: words and address of each.
    """

    name: str
    word: str
    sign: str
    style: str
    reasons: Sequence[tuple[str, str]]
    links: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: what it shows.
        key: number to sort it by; None if it has none.
        number: whether it is aligned at the right.
        address: what it links to.
        style: class of the style of verdicts.
    """

    text: str
    key: float | None = None
    number: bool = False
    address: str | None = None
    style: str = ""


@dataclass(frozen=True, slots=True)
class ModelTable:
    """A table with a row for each model."""

    name: str
    caption: str
    head: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page."""

    id: str
    title: str
    text: str = ""
    empty: str = ""
    entries: Sequence[Entry] = ()
    tables: Sequence[ModelTable] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """What a page shows."""

    title: str
    headline: str
    facts: Sequence[tuple[str, str]]
    cards: Sequence[dict[str, str]]
    sections: Sequence[Section]
    notes: Sequence[str] = field(default_factory=tuple)


def write_page(path: Path, page: Page) -> None:
    """Write a page as one HTML file, atomically."""
    from markupsafe import Markup

    theme, script = page_part("theme.js"), page_part("report.js")
    content: dict[str, Any] = {
        **{
            name: getattr(page, name) for name in ("title", "headline", "facts", "cards", "sections", "notes")
        },
        "version": __version__,
        "scripts": {"theme": Markup(theme), "report": Markup(script)},
        "policy": " ".join(f"'sha256-{digest(text)}'" for text in (theme, script)),
    }
    write_text(path, page_template("fleet.html.j2").render(content))


def write_report(out: Path, records: Sequence[Record]) -> Path:
    """Write the report of a fleet: what needs a person, and all models.

    Returns:
        The file.
    """
    rows = [row_of(record) for record in records]
    found = [(record, concerns(record)) for record in records]
    needing = [(record, each) for record, each in found if each]
    finished = [row for row in rows if row.state == "finished"]
    kept = sum(row.promise_kept is True for row in finished)
    page = Page(
        f"Fleet of {counted(len(rows), 'model', 'models')}",
        f"{len(finished)} of {counted(len(rows), 'model is', 'models are')} trained. "
        + {0: "None needs a person.", 1: "1 needs a person."}.get(
            len(needing), f"{len(needing)} need a person."
        ),
        [("Date", today()), ("Folder", printable(str(out.absolute())))],
        [
            _card("Trained", f"{len(finished)} of {len(rows)}"),
            _card("Need a person", str(len(needing))),
            _card("Failed", str(sum(row.state == "failed" for row in rows))),
            _card("Promise the wanted rate", f"{kept} of {len(finished)}", "at their confidence"),
        ],
        [_needing(out, needing), _all(out, rows)],
        _notes(found),
    )
    write_page(out / REPORT, page)
    return out / REPORT


def _card(name: str, value: str, hint: str = "") -> dict[str, str]:
    return {"name": name, "value": value, "hint": hint}


def _notes(found: Sequence[tuple[Record, tuple[Concern, ...]]]) -> list[str]:
    counts = Counter(kind for _, each in found for kind in {concern.kind for concern in each})
    return [
        f"{kind.capitalize()}: {counted(count, 'model', 'models')}." for kind, count in counts.most_common()
    ]


def _needing(out: Path, needing: Sequence[tuple[Record, tuple[Concern, ...]]]) -> Section:
    entries = []
    for record, found in needing:
        urgent = found[0].kind in _URGENT
        entries.append(
            Entry(
                record.model.name,
                found[0].kind,
                "▲" if urgent else "◆",
                "defect" if urgent else "review",
                [(concern.kind.capitalize(), printable(concern.words)) for concern in found],
                _links(out, record.model.name),
            )
        )
    entries.sort(key=lambda entry: entry.style)
    return Section("needs", "What needs a person", empty="Nothing.", entries=entries)


def _links(out: Path, name: str) -> list[tuple[str, str]]:
    places = (("evaluation", "evaluation/report.html"), ("suspects", f"{SUSPECTS}/report.html"))
    return [(words, quote(f"{name}/{place}")) for words, place in places if (out / name / place).is_file()]


def _all(out: Path, rows: Sequence[FleetRow]) -> Section:
    head = [
        Cell("Model"),
        Cell("Training"),
        *(Cell(text, number=True) for text in _NUMBERS),
        Cell("Needs a person"),
    ]
    table = ModelTable(
        "models",
        "Models, with their promises and their figures on the test images",
        head,
        [_row(out, row) for row in rows],
        "The promise: at most this share of good parts is called defective, with the confidence beside it "
        "over the choice of the calibration images, from that many independent groups of them. It assumes "
        "that parts to come are like these.",
    )
    return Section("all", "All models", tables=[table])


_NUMBERS = (
    "Wanted rate",
    "Promised rate",
    "Confidence",
    "Groups",
    "Images",
    "Image AUROC",
    "Image AP",
    "False alarms",
    "Detected",
)


def _row(out: Path, row: FleetRow) -> list[Cell]:
    links = dict(_links(out, row.name))
    style = {"finished": "good", "failed": "defect", "not finished": "open"}[row.state]
    rates = [row.wanted_rate, row.promised_rate, row.confidence]
    shown = [
        "" if rates[0] is None else percent(rates[0]),
        "" if rates[1] is None else at_most(rates[1]),
        "" if rates[2] is None else percent(rates[2]),
    ]
    counts = [row.groups, row.calibration_images]
    figures = [row.image_auroc, row.image_ap]
    shares = [row.false_alarm_rate, row.detection_rate]
    return [
        Cell(row.name, address=links.get("evaluation") or links.get("suspects")),
        Cell(row.state, style=style),
        *(Cell(text, key, True) for text, key in zip(shown, rates, strict=True)),
        *(Cell("" if key is None else f"{key:,}", key, True) for key in counts),
        *(Cell("" if key is None else f"{key:.4f}", key, True) for key in figures),
        *(Cell("" if key is None else percent(key), key, True) for key in shares),
        Cell(row.needs),
    ]
