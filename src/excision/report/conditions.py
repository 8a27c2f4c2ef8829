"""The conditions under which an evaluation was made, as tables of an acceptance document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from excision.report.own_words import Words
from excision.report.provenance import Provenance
from excision.report.results_folder import ResultsFolder

Rows = tuple[tuple[str, str], ...]

_MACHINE = {"processor": "Processor", "cores": "Cores", "system": "System"}


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a reader needs to repeat the measurement.

    Attributes:
        groups: heading, and names with values.
        settings: name, value and default of each setting of the training that is not its default; None if the
            settings are not known.
    """

    groups: tuple[tuple[str, Rows], ...]
    settings: tuple[tuple[str, str, str], ...] | None


def conditions_of(results: ResultsFolder, words: Words) -> Conditions | None:
    """Give the conditions of an evaluation; None for other results and for those of earlier versions."""
    source = results.about.provenance
    if results.about.kind != "evaluation" or source is None:
        return None
    groups = [
        ("Model", tuple(_model(source))),
        ("Images", tuple(_images(source, results))),
        ("Machine", tuple(_machine(source))),
        ("Measurement", tuple(_measurement(results, words))),
    ]
    settings = source.changed
    return Conditions(
        tuple((heading, rows) for heading, rows in groups if rows),
        None if settings is None else tuple((one.name, one.value, one.default) for one in settings),
    )


def _model(source: Provenance) -> Iterator[tuple[str, str]]:
    model = source.model
    if model is None:
        return
    yield "Name", model.name
    yield "Version", model.version
    yield "Kind", model.kind
    yield "SHA-256", model.sha256
    if model.trained_on is not None:
        yield "Training images, SHA-256", model.trained_on
    if model.made_with:
        yield "Made with", _versions(model.made_with)


def _images(source: Provenance, results: ResultsFolder) -> Iterator[tuple[str, str]]:
    if source.data is None:
        return
    yield "Path", source.data.path
    yield "Layout", str(results.about.layout)
    yield "Number", f"{source.data.images:,}"
    yield "SHA-256", source.data.sha256


def _machine(source: Provenance) -> Iterator[tuple[str, str]]:
    for name, words in _MACHINE.items():
        if name in source.machine:
            yield words, source.machine[name]
    rest = {name: value for name, value in source.machine.items() if name not in _MACHINE}
    if rest:
        yield "Versions", _versions(rest)


def _measurement(results: ResultsFolder, words: Words) -> Iterator[tuple[str, str]]:
    yield "Date", results.about.date or "unknown"
    if words.operator is not None:
        yield "Operator", words.operator
    if words.customer is not None:
        yield "Customer", words.customer
    if results.about.threshold is not None:
        yield "Decision threshold", f"{results.about.threshold:.6g}"
    if results.about.review_threshold is not None:
        yield "Grey zone from", f"{results.about.review_threshold:.6g}"


def _versions(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())
