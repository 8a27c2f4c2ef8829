"""The results of a benchmark: a JSON file of every cell, tables in Markdown, and two pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from excision.benchmark.aggregate import Line, line, mean_line
from excision.benchmark.notes import notes_on
from excision.benchmark.plan import Row
from excision.benchmark.sources import Source
from excision.benchmark.study import Study
from excision.benchmark.tables import (
    ABLATION_HEAD,
    METHOD_HEAD,
    RATE_HEAD,
    ablation_cells,
    markdown_table,
    method_cells,
    rate_cells,
)
from excision.system.files import write_bytes, write_text
from excision.version import __version__

MARKDOWN, SPEED, ACCURACY = "benchmark.md", "auroc_speed.png", "accuracy.png"

ALL = "mean over the data sets"


@dataclass(frozen=True, slots=True)
class Results:
    """The figures of a benchmark.

    Attributes:
        methods: lines of the table of methods by data set; if there are several, their mean is under `ALL`.
        ablations: the same for each ablation by its title.
        cells: every finished cell, with its data set and variant.
        throughput: content of `throughput.json` by data set.
        failures: reasons for failed cells, by name.
        notes: notes on how the figures were measured.
    """

    methods: dict[str, list[Line]]
    ablations: dict[str, dict[str, list[Line]]]
    cells: list[dict[str, Any]]
    throughput: dict[str, dict[str, Any]]
    failures: dict[str, str]
    notes: list[str] = field(default_factory=list)

    def tables(self) -> list[tuple[str, tuple[str, ...], list[list[str]]]]:
        """Return every table as title, head and rows."""
        shown: list[tuple[str, tuple[str, ...], list[list[str]]]] = []
        for source, lines in self.methods.items():
            if lines:
                shown.append((source, METHOD_HEAD, [method_cells(entry) for entry in lines]))
                title = f"{source}: at the calibrated threshold"
                shown.append((title, RATE_HEAD, [rate_cells(entry) for entry in lines]))
        for title, tables in self.ablations.items():
            head = (title, *ABLATION_HEAD[1:])
            for source, lines in tables.items():
                shown.append((f"{source}: {title}", head, [ablation_cells(entry) for entry in lines]))
        return shown

    def markdown(self) -> str:
        """Write everything as a Markdown document."""
        parts = ["# Benchmark", *self.notes]
        for title, head, rows in self.tables():
            parts += [f"## {title}", markdown_table(head, rows)]
        if self.failures:
            parts += ["## Failed", "\n".join(f"- {name}: {error}" for name, error in self.failures.items())]
        return "\n\n".join(parts) + "\n"

    def to_json(self) -> dict[str, Any]:
        """Return everything for a JSON file."""
        return {
            "excision": __version__,
            "methods": {name: [entry.to_json() for entry in lines] for name, lines in self.methods.items()},
            "ablations": {
                title: {name: [entry.to_json() for entry in lines] for name, lines in tables.items()}
                for title, tables in self.ablations.items()
            },
            "cells": self.cells,
            "throughput": self.throughput,
            "failures": self.failures,
            "notes": self.notes,
        }

    def write(self, out: Path) -> None:
        """Write `benchmark.md` and the two pictures; a picture without figures is left out."""
        from excision.benchmark.plots import accuracy_figure, speed_figure

        write_text(out / MARKDOWN, self.markdown())
        overall = self.methods.get(ALL) or next(iter(self.methods.values()), [])
        by_source = {name: lines for name, lines in self.methods.items() if name != ALL}
        for name, picture in (
            (SPEED, speed_figure(overall)),
            (ACCURACY, accuracy_figure(by_source)),
        ):
            if picture is not None:
                write_bytes(out / name, picture)


def collect(study: Study) -> Results:
    """Collect the results of a study."""
    plan = study.plan
    cells = [
        {"dataset": source.name, "variant": variant.key, **cell}
        for source in plan.sources
        for variant in plan.variants
        for cell in study.cells(source, variant.key)
    ]
    throughput = {source.name: study.throughput(source) for source in plan.sources}
    return Results(
        methods=_tables(study, plan.rows),
        ablations={title: _tables(study, rows) for title, rows in plan.ablations.items()},
        cells=cells,
        throughput={name: content for name, content in throughput.items() if content},
        failures=dict(study.failures),
        notes=notes_on(plan, cells, throughput),
    )


def _tables(study: Study, rows: tuple[Row, ...]) -> dict[str, list[Line]]:
    sources = study.plan.sources
    tables = {source.name: [_line(study, source, row) for row in rows] for source in sources}
    if len(sources) > 1:
        tables[ALL] = [
            mean_line(
                row.label,
                row.variant.key,
                [tables[source.name][place] for source in sources],
                [study.cells(source, row.variant.key) for source in sources],
            )
            for place, row in enumerate(rows)
        ]
    return tables


def _line(study: Study, source: Source, row: Row) -> Line:
    timed = study.throughput(source).get("summary", {}).get(row.variant.key)
    return line(row.label, row.variant.key, study.cells(source, row.variant.key), timed)
