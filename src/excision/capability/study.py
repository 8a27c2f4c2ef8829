"""Draws the defects one after another, inspects each, and keeps what was found."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from excision.capability.drawing import Drawn, draw, measured_contrast
from excision.capability.good_parts import GoodParts, Model
from excision.capability.pictures import Pictures, as_given
from excision.capability.plan import Design, Order
from excision.capability.records import DrawingLog, Record, read_drawings, write_drawings
from excision.errors import ModelError, ResultsError, SettingsError
from excision.progress import Progress
from excision.system.files import write_json
from excision.system.strict_json import read_json

BEGUN = "study.json"
_BLOCK = 512
"""Drawings that are done in the order of their parts, so that each image is decoded once for several."""

_MARGIN = 12
"""Pixels around a defect in which its contrast is measured."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a study goes on.

    Attributes:
        drawings: number of drawings for the curves; those of requirements come in addition.
        seconds: time after which it stops as soon as one drawing is done; None for no limit.
    """

    drawings: int
    seconds: float | None = None


def begin(folder: Path, facts: dict[str, Any], *, resume: bool) -> None:
    """Note what a study is about or, on resume, check that it is the same one.

    Args:
        folder: folder for the results.
        facts: model, threshold, parts and design; compared as JSON.
        resume: go on with the drawings in the folder.

    Raises:
        SettingsError: the folder holds drawings that are not to be resumed, or those of another study.
    """
    path = folder / BEGUN
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder}: is a file; name a folder for the results")
    if path.is_file():
        if not resume:
            raise SettingsError(
                f"{folder} holds a study already: go on with it (--resume), or choose another folder"
            )
        try:
            begun = read_json(path)
        except ModelError as error:
            raise ResultsError(str(error)) from error
        differing = sorted(
            name
            for name in {*begun, *facts}
            if not isinstance(begun, dict) or begun.get(name) != facts.get(name)
        )
        if differing:
            raise SettingsError(
                f"{folder} was begun with other {', '.join(differing)}: resume with the same model, images "
                "and options, or choose another folder"
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, facts)


def run_study(
    model: Model,
    parts: GoodParts,
    pictures: Pictures,
    design: Design,
    budget: Budget,
    folder: Path,
    progress: Progress,
) -> list[Record]:
    """Draw and inspect until the budget is used up, beginning with what the folder lacks.

    Each line of `drawings.csv` is written before the next drawing begins, so nothing is lost by Ctrl-C.

    Returns:
        All drawings of the folder within the budget, in the order of their numbers.

    Raises:
        ImageError: an image can no longer be read.
        ModelError: the model cannot compute.
        ResultsError: `drawings.csv` is damaged.
    """
    records = {record.number: record for record in read_drawings(folder)}
    total = design.required + budget.drawings
    write_drawings(folder, list(records.values()))
    done = sum(number < total for number in records)
    stop = None if budget.seconds is None else time.monotonic() + budget.seconds
    with DrawingLog(folder) as log:
        progress(done, total)
        for order in _missing(design, total, records):
            record = _one(model, parts, pictures, design, order)
            log.add(record)
            records[order.number] = record
            done += 1
            progress(done, total)
            if stop is not None and time.monotonic() > stop:
                break
    kept = sorted((one for one in records.values() if one.number < total), key=lambda one: one.number)
    write_drawings(folder, kept)
    return kept


def _missing(design: Design, total: int, known: dict[int, Record]) -> Iterator[Order]:
    """Give what is still to be drawn: in blocks, and in each block by part."""
    for start in range(0, total, _BLOCK):
        block = [design.order(n) for n in range(start, min(start + _BLOCK, total)) if n not in known]
        yield from sorted(block, key=lambda order: (order.part, order.number))


def _one(model: Model, parts: GoodParts, pictures: Pictures, design: Design, order: Order) -> Record:
    good = parts.quiet[order.part]
    image, part = pictures.get(good.path)
    defect = design.defect(order, part)
    drawn = draw(image, defect, part.mask)
    found = model.inspect(as_given(drawn.image))
    down, across = part.inside(*defect.centre)
    return Record(
        number=order.number,
        image=str(good.path),
        group=good.group,
        kind=order.kind,
        size=round(order.size, 4),
        width=round(order.width, 4),
        contrast=order.contrast,
        direction=round(defect.direction, 5),
        y=defect.centre[0],
        x=defect.centre[1],
        down=round(down, 5),
        across=round(across, 5),
        area=int(drawn.mask.sum()),
        measured=round(_measured(drawn), 5),
        cut=round(drawn.cut, 4),
        plain=good.plain,
        score=float(found.score),
        hit=int(found.verdict == "defect"),
        requirement=0 if order.requirement is None else order.requirement + 1,
    )


def _measured(drawn: Drawn) -> float:
    if not drawn.mask.any():
        return 0.0
    height, width = drawn.image.shape[:2]
    rows, columns = drawn.place
    place = (
        slice(max(0, rows.start - _MARGIN), min(height, rows.stop + _MARGIN)),
        slice(max(0, columns.start - _MARGIN), min(width, columns.stop + _MARGIN)),
    )
    mask = np.zeros((place[0].stop - place[0].start, place[1].stop - place[1].start), np.bool_)
    top, left = rows.start - place[0].start, columns.start - place[1].start
    mask[top : top + drawn.mask.shape[0], left : left + drawn.mask.shape[1]] = drawn.mask
    return measured_contrast(drawn.image[place], mask)
