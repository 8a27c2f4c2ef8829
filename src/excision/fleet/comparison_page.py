"""The results of a comparison of two fleets, as JSON and as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from excision.fleet.comparison import Answer, Compared, promise_words, shift_words, verdict_words
from excision.fleet.page import Cell, Entry, ModelTable, Page, Section, write_page
from excision.method.calibration.words import counted
from excision.system.dates import today
from excision.system.names import printable

_SIGNS: dict[Answer, tuple[str, str]] = {
    "worse": ("▲", "defect"),
    "not compared": ("○", "open"),
    "better": ("●", "good"),
    "no difference shown": ("●", "open"),
    "added": ("○", "open"),
    "removed": ("○", "open"),
}
_NOTE = (
    "Worse or better: paired tests on the test images that both models have scored, over groups of images "
    "that depend on each other, adjusted for the number of all tests, so that noise alone calls no model "
    "worse in 95 % of comparisons. The intervals of the average precision are 95 % each, and decide nothing. "
    "Scores are compared in shares of the threshold, because each model has a unit of its own."
)


def comparison_json(found: Sequence[Compared]) -> list[dict[str, Any]]:
    """Return the results for a JSON file."""
    return [
        {
            **asdict(each),
            "verdicts": [
                {"label": label, "old": old, "new": new, "images": number}
                for (label, old, new), number in sorted(each.verdicts.items())
            ],
        }
        for each in found
    ]


def write_comparison(path: Path, old: Path, new: Path, found: Sequence[Compared]) -> None:
    """Write the page of a comparison."""
    counts = Counter(each.answer for each in found)
    order = list(_SIGNS)
    entries = [
        Entry(
            each.name,
            each.answer,
            *_SIGNS[each.answer],
            reasons=[("Why", printable(why)) for why in each.reasons],
        )
        for each in sorted(found, key=lambda each: order.index(each.answer))
        if each.reasons
    ]
    write_page(
        path,
        Page(
            "Two fleets compared",
            f"{counted(counts['worse'], 'model', 'models')} of {len(found)} got worse.",
            [("Old", printable(str(old))), ("New", printable(str(new))), ("Date", today())],
            [{"name": answer.capitalize(), "value": str(counts[answer]), "hint": ""} for answer in order],
            [
                Section(
                    "changed", "What changed", empty="Nothing that noise does not explain.", entries=entries
                ),
                Section("all", "All models", tables=[_table(found)]),
            ],
        ),
    )


def _table(found: Sequence[Compared]) -> ModelTable:
    heads = ("Images", "Groups", "Image AUROC, old", "new", "Change of image AP", "Good images' scores")
    head = [
        Cell("Model"),
        Cell("Result"),
        *(Cell(text, number=True) for text in heads),
        Cell("Promised rate"),
        Cell("Changed verdicts"),
    ]
    rows = [
        [
            Cell(each.name),
            Cell(each.answer, style=_SIGNS[each.answer][1]),
            Cell(f"{each.images:,}", each.images, True),
            Cell(f"{each.groups:,}", each.groups, True),
            *(_figure(None if each.auroc is None else value) for value in _areas(each)),
            _change(each),
            Cell(shift_words(each), None if each.shift is None else each.shift[0], True),
            Cell(promise_words(each)),
            Cell(verdict_words(each)),
        ]
        for each in found
    ]
    return ModelTable("compared", "The models of both fleets", head, rows, _NOTE)


def _areas(each: Compared) -> tuple[float, float]:
    return (0.0, 0.0) if each.auroc is None else (each.auroc.old, each.auroc.new)


def _figure(value: float | None) -> Cell:
    return Cell("" if value is None else f"{value:.4f}", value, True)


def _change(each: Compared) -> Cell:
    if each.ap is None:
        return Cell("", None, True)
    change, low, high = each.ap
    return Cell(f"{change:+.4f} ({low:+.4f} to {high:+.4f})", change, True)
