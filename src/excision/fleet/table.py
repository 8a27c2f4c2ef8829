"""One row for each model of a fleet: what was learnt, what it promises, and what needs a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from excision.errors import ResultsError
from excision.fleet.concerns import concerns
from excision.fleet.plan import FleetModel
from excision.fleet.record import Record, State
from excision.system.csv_rows import csv_row
from excision.system.dates import today
from excision.system.files import write_json, write_text
from excision.system.names import printable
from excision.system.parquet import columns_of, write_parquet
from excision.system.secrets import without_secrets
from excision.system.strict_json import read_json
from excision.version import __version__

FLEET, CSV, PARQUET = "fleet.json", "fleet.csv", "fleet.parquet"
FORMAT = 1

_MOST = 256 * 2**20


@dataclass(frozen=True, slots=True)
class FleetRow:
    """One model; None is what is not known.

    Attributes:
        name: of the model.
        state: of its training.
        data: as given.
        model: fingerprint of the model.
        training_images: that the networks were trained on.
        calibration_images: that set the threshold.
        groups: of these, that is, of independent draws.
        threshold: decision threshold.
        wanted_rate: requested false-alarm rate.
        promised_rate: promised false-alarm rate.
        confidence: of the promise.
        promise_kept: whether the promised rate is at most the wanted one.
        suspects: good images that look defective.
        dropped: of which so many were left out.
        skipped: images that could not be used.
        image_auroc: on the test images, as are the figures that follow.
        image_ap: average precision.
        pixel_ap: average precision of pixels.
        aupro: per-region overlap.
        false_alarm_rate: of the good test images.
        detection_rate: of the defective ones.
        n_normal: good test images.
        n_defect: defective test images.
        exported: folder of the exported model.
        seconds: of the training.
        peak_memory_mb: of the training.
        excision: version that trained it.
        needs: kinds of what needs a person, separated by "; ".
        reasons: the same in sentences.
    """

    name: str
    state: State
    data: str
    model: str | None
    training_images: int | None
    calibration_images: int | None
    groups: int | None
    threshold: float | None
    wanted_rate: float | None
    promised_rate: float | None
    confidence: float | None
    promise_kept: bool | None
    suspects: int | None
    dropped: int | None
    skipped: int | None
    image_auroc: float | None
    image_ap: float | None
    pixel_ap: float | None
    aupro: float | None
    false_alarm_rate: float | None
    detection_rate: float | None
    n_normal: int | None
    n_defect: int | None
    exported: str | None
    seconds: float | None
    peak_memory_mb: float | None
    excision: str | None
    needs: str
    reasons: str


_OF_TRAINING = [
    "model",
    "training_images",
    "calibration_images",
    "groups",
    "threshold",
    "wanted_rate",
    "promised_rate",
    "confidence",
    "promise_kept",
    "suspects",
    "dropped",
    "skipped",
    "seconds",
    "peak_memory_mb",
]
_OF_EVALUATION = [
    "image_auroc",
    "image_ap",
    "pixel_ap",
    "aupro",
    "false_alarm_rate",
    "detection_rate",
    "n_normal",
    "n_defect",
]


def row_of(record: Record) -> FleetRow:
    """Give the row of a model."""
    trained, found = record.step("train"), concerns(record)
    evaluated = record.step("evaluate")
    measured = evaluated.facts if evaluated.state == "finished" else {}
    exported = record.step("export")
    return FleetRow(
        name=record.model.name,
        state=trained.state,
        data=without_secrets(record.model.data),
        **{name: trained.facts.get(name) for name in _OF_TRAINING},
        **{name: measured.get(name) for name in _OF_EVALUATION},
        exported=exported.facts.get("folder") if exported.state == "finished" else None,
        excision=trained.excision if trained.state == "finished" else None,
        needs="; ".join(dict.fromkeys(concern.kind for concern in found)),
        reasons=" ".join(concern.words for concern in found),
    )


def write_tables(out: Path, records: Sequence[Record], *, parquet: bool) -> None:
    """Write `fleet.json`, `fleet.csv` and, if wanted, `fleet.parquet`, replacing those of an earlier run."""
    rows = [row_of(record) for record in records]
    content = {
        "format": FORMAT,
        "excision": __version__,
        "date": today(),
        "models": [
            {
                **asdict(row),
                "concerns": [asdict(each) for each in concerns(record)],
                "promise": record.step("train").facts.get("promise"),
                "plan": record.model.to_json(),
            }
            for row, record in zip(rows, records, strict=True)
        ],
    }
    write_json(out / FLEET, content)
    names = [each.name for each in fields(FleetRow)]
    lines = [names, *([_cell(getattr(row, name)) for name in names] for row in rows)]
    write_text(out / CSV, "".join(map(csv_row, lines)))
    if parquet:
        write_parquet(out / PARQUET, columns_of(FleetRow), map(asdict, rows))


def read_plans(out: Path) -> tuple[FleetModel, ...]:
    """Read which models a fleet has, from its folder.

    Raises:
        ResultsError: the folder is not that of a fleet.
        ModelError: the file is damaged.
    """
    path = out / FLEET
    if not path.is_file():
        raise ResultsError(f"{out}: there is no {FLEET}: name a folder that `excision fleet train` wrote")
    content = read_json(path, _MOST)
    try:
        if content["format"] > FORMAT:
            raise ResultsError(f"{path}: a later version of Excision wrote this: update this installation")
        return tuple(FleetModel.from_json(row["plan"]) for row in content["models"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ResultsError(f"{path}: this is no table of a fleet: {error!r}") from error


def _cell(value: Any) -> Any:
    return "" if value is None else printable(value) if isinstance(value, str) else value
