"""The tables of `false_alarms.py`, from the results it has stored."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple

from calibration_draws import Verdict, most_broken

from excision.system.strict_json import read_json

MOST_BYTES = 2**24


class Row(NamedTuple):
    """Calibrations of one kind on one data set."""

    form: str
    data: str
    rate: float
    facts: dict[str, Any]
    verdicts: tuple[Verdict, ...]


def print_tables(out: Path) -> None:
    """Print a table of each form and wanted rate, in Markdown."""
    tables: dict[tuple[str, float], list[Row]] = defaultdict(list)
    for row in rows(out):
        tables[row.form, row.rate].append(row)
    for (form, rate), found in sorted(tables.items()):
        confidence = found[0].facts["confidence"]
        print(f"\n{form}, wanted {rate:.3g} with {confidence:.0%} confidence\n")
        print("\n".join(_lines(found, confidence)))


def rows(out: Path) -> Iterator[Row]:
    """Give the rows, by data set and then by the number of calibration images; trainings form one row."""
    whole: dict[tuple[str, float], list[Row]] = defaultdict(list)
    fixed: list[Row] = []
    for file in sorted(out.glob("*/*/rate-*.json")) + sorted(out.glob("*/*/seed-*/rate-*.json")):
        row = _read(file)
        if row.form == "whole":
            whole[row.data, row.rate].append(row)
        else:
            fixed.append(row)
    yield from sorted(fixed, key=lambda row: (row.data, row.verdicts[0].images))
    for _, parts in sorted(whole.items()):
        yield parts[0]._replace(verdicts=tuple(v for part in parts for v in part.verdicts))


def _read(file: Path) -> Row:
    facts = read_json(file, MOST_BYTES)
    verdicts = tuple(Verdict.from_json(verdict) for verdict in facts.pop("verdicts"))
    return Row(facts["form"], facts["data"], facts["rate"], facts, verdicts)


def _lines(found: Sequence[Row], confidence: float) -> Iterator[str]:
    yield (
        "| data set | good images / groups | correlation in groups / of neighbours | calibrated on images / "
        "groups | promised / observed | broken (allowed) | expected | proven | average rule: promised / "
        "observed | broken | defects found / by the average rule |"
    )
    yield "| --- |" + " ---: |" * 10
    for row in found:
        verdicts, facts = row.verdicts, row.facts
        expected = _mean(verdicts, "chance")
        cells = (
            row.data,
            f"{facts['good']} / {facts['groups']}",
            f"{_number(facts['intraclass'])} / {_number(facts['neighbours'])}",
            f"{_middle(verdicts, 'images'):.0f} / {_middle(verdicts, 'groups'):.0f}",
            f"{_middle(verdicts, 'promised'):.1%} / {_mean(verdicts, 'observed'):.1%}",
            f"{_count(verdicts, lambda v: v.broken)} ({most_broken(len(verdicts), confidence)})",
            "-" if math.isnan(expected) else f"{expected * len(verdicts):.0f}",
            f"{_count(verdicts, lambda v: v.proven)}",
            f"{_middle(verdicts, 'average_promised'):.1%} / {_mean(verdicts, 'average_observed'):.1%}",
            f"{_count(verdicts, lambda v: v.average_broken)}",
            f"{_mean(verdicts, 'detected'):.0%} / {_mean(verdicts, 'average_detected'):.0%}",
        )
        yield f"| {' | '.join(cells)} |"


def _middle(verdicts: Sequence[Verdict], name: str) -> float:
    return float(median(getattr(verdict, name) for verdict in verdicts))


def _mean(verdicts: Sequence[Verdict], name: str) -> float:
    return float(mean(getattr(verdict, name) for verdict in verdicts))


def _count(verdicts: Sequence[Verdict], holds: Callable[[Verdict], bool]) -> str:
    return f"{sum(map(holds, verdicts))} of {len(verdicts)}"


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.2f}"
