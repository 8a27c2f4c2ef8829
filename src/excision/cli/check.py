"""`excision check`: what was understood of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from excision.cli.console import bars, screen, table
from excision.data import load_dataset
from excision.files import write_json

if TYPE_CHECKING:
    from excision.data.check import DatasetReport
    from excision.data.preparation import Finding

_MOST_LINES = 20


def check(data: Path, *, layout: str | None = None, json: Path | None = None) -> int:
    """Say what was understood of a data set, before anything runs.

    Example: excision check parts/

    Decodes every file once, and prints layout, counts, sizes, modes, what cannot be read or looks odd, images
    that stand in both splits, and what training would use.

    Args:
        data: data set.
        layout: how it is laid out: csv, mvtec, kolektorsdd, kolektorsdd2, magnetictile, elpv or folder;
            recognised by default.
        json: write all of it to this file as well.
    """
    from excision.data.check import inspect_dataset

    dataset = load_dataset(data, layout)
    with bars() as shown:
        report = inspect_dataset(dataset, shown.part("checking"))
    if json is not None:
        write_json(json, _as_json(report))
    table(str(data), _rows(report))
    _list("cannot be read", report.unreadable)
    _list("odd", report.odd)
    _list("masks", report.masks)
    for names in report.duplicates:
        screen.print(f"same pixels in both splits: {', '.join(names)}")
    for note in report.notes:
        screen.print(f"note: {note}")
    screen.print(f"training cannot be done: {report.obstacle}" if report.obstacle else _plan(report))
    return 2 if report.obstacle else 0


def _rows(report: DatasetReport) -> list[tuple[str, str]]:
    rows = [("layout", report.layout)]
    rows += [(f"{split} / {label}", f"{count} images") for (split, label), count in report.counts.items()]
    rows.append(("parts", f"{report.groups} (never divided between training and calibration)"))
    if report.sizes is not None:
        smallest, median, largest = (
            f"{h} x {w}" for h, w in (report.sizes.smallest, report.sizes.median, report.sizes.largest)
        )
        rows.append(("height x width", f"{smallest} to {largest}, median {median}"))
    rows.append(("modes", ", ".join(f"{mode}: {count}" for mode, count in report.modes.items())))
    return rows


def _plan(report: DatasetReport) -> str:
    plan = report.training
    if plan is None:
        return "there is nothing to train on"
    colour = "grey" if plan.channels == 1 else "colour"
    return (
        f"training would learn from {plan.train} good images and calibrate with {plan.calibration}, "
        f"in {colour}, at {plan.size[0]} x {plan.size[1]} (height x width)"
    )


def _list(title: str, findings: Sequence[Finding]) -> None:
    for found in findings[:_MOST_LINES]:
        screen.print(f"{title}: {found.name}: {found.reason}")
    if len(findings) > _MOST_LINES:
        screen.print(f"{title}: and {len(findings) - _MOST_LINES} more; --json FILE lists all")


def _as_json(report: DatasetReport) -> dict[str, object]:
    counts = {f"{split}/{label}": count for (split, label), count in report.counts.items()}
    return {**asdict(report), "counts": counts}
