"""What a look at the collected images says, before anything is trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from excision.errors import ExcisionError
from excision.method.folder_kinds import ODD_IMAGE
from excision.station.improve.gathering import images_in
from excision.station.improve.job import IMAGES
from excision.system.files import write_json
from excision.system.strict_json import read_json

REPORT = "check.json"

FIGURES = {"training": "figures/training.png", "odd": ODD_IMAGE}
"""Pictures in a run folder, by the name that a page gives them."""

_MOST = 20  # findings that are shown


@dataclass(frozen=True, slots=True)
class Report:
    """What was found.

    Attributes:
        images: number of images that were looked at.
        train: images that the networks would be trained on.
        calibration: images that would be held out to set the threshold.
        size: (H, W) of the working image; None where nothing can be trained.
        groups: in words, which images belong together.
        findings: what is wrong with single images, one sentence each.
        notes: advice, one sentence each.
        obstacle: why nothing can be trained; empty where something can.
    """

    images: int
    train: int
    calibration: int
    size: tuple[int, int] | None
    groups: str
    findings: tuple[str, ...]
    notes: tuple[str, ...]
    obstacle: str


def look(out: Path) -> Report:
    """Look at every collected image, and keep what was found.

    Raises:
        DatasetError: there is no image.
    """
    from excision.data import load_dataset
    from excision.data.check import inspect_dataset

    count = len(images_in(out))
    found = inspect_dataset(load_dataset(out / IMAGES))
    plan = found.training
    report = Report(
        images=count,
        train=0 if plan is None else plan.train,
        calibration=0 if plan is None else plan.calibration,
        size=None if plan is None else (plan.size[0], plan.size[1]),
        groups=found.groups.basis,
        findings=tuple(f"{each.name}: {each.reason}" for each in (*found.unreadable, *found.odd)[:_MOST]),
        notes=tuple(found.notes),
        obstacle=found.obstacle,
    )
    write_json(out / REPORT, asdict(report))
    return report


def report_of(out: Path) -> Report | None:
    """Give what the last look found; None if there was none."""
    try:
        content: dict[str, Any] = read_json(out / REPORT)
        size = content["size"]
        values = {**content, "size": None if size is None else (size[0], size[1])}
        return Report(**{**values, "findings": tuple(values["findings"]), "notes": tuple(values["notes"])})
    except (ExcisionError, KeyError, TypeError):
        return None
