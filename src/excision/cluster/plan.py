"""What is inspected with which model and in which parts, as all jobs of one inspection read it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from excision.errors import ModelError, ResultsError, SettingsError
from excision.storage.entry import is_url
from excision.storage.folder import Folder
from excision.storage.manifest import Manifest, open_manifest
from excision.system.dates import today
from excision.system.strict_json import read_json
from excision.version import __version__

PLAN, PARTS = "inspection.json", "parts"
FORMAT = 1

Form = Literal["parquet", "jsonl"]

Pictured = Literal["none", "not-good", "all"]
"""Images that get an overlay."""

_MOST_PARTS = 256
_SMALLEST, _LARGEST = 8, 1000

MOST_IN_A_PART = 10**6
"""Images of a part, whose rows are held at once."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of an inspection in parts. It never changes, so that any job may do any part at any time.

    Attributes:
        model: fingerprint of the model.
        sources: what was given as images.
        manifest: path or URL of the manifest; a plain name lies in the folder of the results.
        digest: of the manifest.
        images: number of images.
        part_size: images in a part; the last has fewer.
        form: of the part files.
        pictured: images that get an overlay.
        date: when the images were listed.
        version: of Excision.
    """

    model: str
    sources: tuple[str, ...]
    manifest: str
    digest: str
    images: int
    part_size: int
    form: Form
    pictured: Pictured
    date: str
    version: str

    @property
    def parts(self) -> int:
        """Number of parts."""
        return -(-self.images // self.part_size)

    def span(self, part: int) -> tuple[int, int]:
        """Give the number of the first image of a part, and how many images it has."""
        first = part * self.part_size
        return first, min(self.part_size, self.images - first)

    def name(self, part: int) -> str:
        """Name the file of a part."""
        return f"{PARTS}/part-{part:06d}.{self.form}"

    def number(self, name: str) -> int | None:
        """Give the number of the part that a file in the folder of parts is; None of any other file."""
        digits = name.removeprefix("part-").removesuffix(f".{self.form}")
        number = int(digits) if digits.isdecimal() and len(digits) < 12 else self.parts
        return number if number < self.parts and self.name(number) == f"{PARTS}/{name}" else None

    def open(self, folder: Folder) -> Manifest:
        """Open the manifest.

        Raises:
            DatasetError: it is missing or damaged.
            ResultsError: it is not the one that the inspection began with.
        """
        place = self.manifest
        if folder.local is not None and not is_url(place) and not Path(place).is_absolute():
            place = str(folder.local / place)
        elif not is_url(place) and not Path(place).is_absolute():
            place = f"{folder.name}/{place}"
        manifest = open_manifest(place)
        if (manifest.rows, manifest.digest) != (self.images, self.digest):
            raise ResultsError(
                f"{place}: changed since the inspection in {folder.name} began; name another --out"
            )
        return manifest


def part_size(images: int) -> int:
    """Choose the number of images in a part.

    A part that is cut short is inspected again, so that parts are small; every part is a file, so that they
    are not too many.
    """
    return min(max(-(-images // _MOST_PARTS), _SMALLEST), _LARGEST)


def read_plan(folder: Folder) -> Plan | None:
    """Read the plan in a folder of results; None if there is none.

    Raises:
        ResultsError: it is damaged, or of a later version.
    """
    if not folder.exists(PLAN):
        return None
    where = f"{folder.name}/{PLAN}"
    try:
        with folder.reading(PLAN) as path:
            content = read_json(path)
        if content.pop("format") != FORMAT:
            raise ResultsError(f"{where}: was written by a later version of Excision")
        plan = Plan(**{**content, "sources": tuple(content["sources"])})
        _check(plan)
    except (ModelError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ResultsError(f"{where}: is damaged ({error}); name another --out") from error
    return plan


def _check(plan: Plan) -> None:
    """Refuse values that no version writes."""
    texts = (plan.model, plan.manifest, plan.digest, plan.date, plan.version, *plan.sources)
    numbers = (plan.images, plan.part_size)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a text is missing")
    if not all(isinstance(number, int) and 0 < number < 2**53 for number in numbers):
        raise ValueError("a number is not above 0")
    if plan.part_size > MOST_IN_A_PART:
        raise ValueError(f"a part has more than {MOST_IN_A_PART} images")
    if plan.form not in get_args(Form) or plan.pictured not in get_args(Pictured):
        raise ValueError("the form of the parts is unknown")


def agree(
    folder: Folder,
    model: str,
    sources: Sequence[str],
    make: Callable[[], Plan],
    pictured: Pictured | None,
    size: int | None,
) -> tuple[Plan, bool]:
    """Give the plan that is in the folder, or make it.

    Args:
        folder: for the results.
        model: fingerprint of the model.
        sources: what was given as images.
        make: lists the images and makes the plan.
        pictured: images that are to get an overlay; None takes what the plan says.
        size: images in a part; None takes what the plan says.

    Returns:
        The plan, and whether it was there before.

    Raises:
        SettingsError: the folder holds the results of another inspection.
    """
    before = read_plan(folder)
    plan = before or _begin(folder, make)
    differing = [
        what
        for what, same in {
            "another model": plan.model == model,
            "other images": plan.sources == tuple(sources),
            f"--overlays {plan.pictured}": pictured in (None, plan.pictured),
            f"--part-size {plan.part_size}": size in (None, plan.part_size),
        }.items()
        if not same
    ]
    if differing:
        raise SettingsError(
            f"{folder.name} holds results of an inspection with {', '.join(differing)}: choose another folder"
        )
    return plan, before is not None


def _begin(folder: Folder, make: Callable[[], Plan]) -> Plan:
    """Write the plan, unless another job is first, and give the one that is then in the folder."""
    for name in ("results.jsonl", "results.sqlite", "evaluation.json"):
        if folder.exists(name):
            raise SettingsError(f"{folder.name} holds other results already: choose another folder")
    content = {"format": FORMAT, **dataclasses.asdict(make())}
    folder.claim(PLAN, (json.dumps(content, indent=2) + "\n").encode())
    plan = read_plan(folder)
    assert plan is not None  # it was just written, and nothing removes it
    return plan


def new_plan(
    manifest: Manifest,
    place: str,
    *,
    model: str,
    sources: Sequence[str],
    form: Form,
    pictured: Pictured,
    size: int | None,
) -> Plan:
    """Make the plan of a new inspection.

    Args:
        manifest: of the images.
        place: where it lies; a plain name for the folder of the results.
        model: fingerprint of the model.
        sources: what was given as images.
        form: of the part files.
        pictured: images that get an overlay.
        size: images in a part; None chooses it by the number of images.
    """
    images = manifest.rows
    return Plan(
        model=model,
        sources=tuple(sources),
        manifest=place,
        digest=manifest.digest,
        images=images,
        part_size=size or part_size(images),
        form=form,
        pictured=pictured,
        date=today(),
        version=__version__,
    )
