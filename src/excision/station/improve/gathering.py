"""The good images of a new model: uploaded, taken from kept images, or from a folder of the station."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from excision.data.listing import list_images
from excision.errors import SettingsError
from excision.station.improve.job import IMAGES, JOB, RUN, Job, home
from excision.station.models.version import check_name
from excision.station.store.query import Query
from excision.station.store.store import Store
from excision.station.work.kept_images import Images, ending
from excision.system.files import sha256

GOOD = "good"
FIRST = "0001"

MOST_IMAGES = 5000
"""Of a new model; more teach little, and an upload must not fill the disk."""


_ODD = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Gathered:
    """What adding images came to.

    Attributes:
        added: images that are new.
        known: images that were there already, with the same content.
        refused: images beyond the largest number.
    """

    added: int = 0
    known: int = 0
    refused: int = 0


def begin_new(station: Path, name: str, settings: Path | None, who: str) -> Path:
    """Make the folder of a new model, or give the one that there is.

    Raises:
        SettingsError: it is no name, or a challenger of a model of this name lies there.
    """
    out = home(station, check_name(name)) / FIRST
    known = Job.load(out)
    if known is None:
        (out / IMAGES / GOOD).mkdir(parents=True, exist_ok=True)
        Job("new", name, station, settings=settings, who=who).save(out)
    elif known.kind != "new":
        raise SettingsError(f"{name} is a model of this station already: improve it, or choose another name")
    return out


def drafts(station: Path) -> list[str]:
    """Give the names of the new models that are being made, or were."""
    found = (station / "improve").glob(f"*/{FIRST}/{JOB}")
    names = []
    for path in sorted(found):
        with contextlib.suppress(SettingsError):
            job = Job.load(path.parent)
            if job is not None and job.kind == "new":
                names.append(job.model)
    return names


def images_in(out: Path) -> list[Path]:
    """Give the collected images by name."""
    folder = out / IMAGES / GOOD
    if not folder.is_dir():
        return []
    return (
        sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []
    )


def gather(out: Path, files: Iterable[tuple[Path, str]], *, move: bool = False) -> Gathered:
    """Add images; one with the content of another is not added.

    Args:
        out: folder of the new model.
        files: each with the name that it came with.
        move: take the files away instead of copying them.

    Raises:
        SettingsError: the training has begun.
    """
    if (out / RUN).exists():
        raise SettingsError(
            "the training has begun: its images cannot be changed any more; take another name"
        )
    there = {sha256(path) for path in images_in(out)}
    number, count = len(there), Gathered()
    for path, source in files:
        digest = sha256(path)
        if digest in there:
            count = Gathered(count.added, count.known + 1, count.refused)
            continue
        if len(there) >= MOST_IMAGES:
            count = Gathered(count.added, count.known, count.refused + 1)
            continue
        number += 1
        target = out / IMAGES / GOOD / f"{number:05d}_{_stem(source)}{ending(path)}"
        _put(path, target, move=move)
        there.add(digest)
        count = Gathered(count.added + 1, count.known, count.refused)
    return count


def kept_good(store: Store, images: Images, model: str, count: int) -> list[tuple[Path, str]]:
    """Give the newest kept images that a person labelled good.

    Args:
        store: of the station.
        images: kept images.
        model: that inspected them.
        count: how many at most.
    """
    found: list[tuple[Path, str]] = []
    before: int | None = None
    while len(found) < count and (page := store.newest(Query(model=model, labelled=True), 200, before)):
        for result in page:
            labels = [label for label in store.labels(result.id) if label.withdrawn is None]
            path = images.find(result.image)
            if path is not None and labels and labels[-1].truth == "good":
                found.append((path, result.source))
        before = page[-1].id
    return found[:count]


def in_folder(below: Path, name: str) -> list[tuple[Path, str]]:
    """Give the images of one of the folders that a station may read.

    Raises:
        SettingsError: there is no such folder.
    """
    folder = below / check_name(name)
    if not folder.is_dir() or not folder.resolve().is_relative_to(below.resolve()):
        raise SettingsError(f"there is no folder {name!r} in the station's --folders")
    return [(path, path.name) for path in list_images(folder).images[:MOST_IMAGES]]


def _put(path: Path, target: Path, *, move: bool) -> None:
    temporary = target.with_name(f".{target.name}")
    try:
        if move:
            path.replace(temporary)
        else:
            try:
                os.link(path, temporary)
            except OSError:
                # On another disk, or one without links.
                shutil.copyfile(path, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _stem(source: str) -> str:
    return _ODD.sub("_", Path(source.replace("\\", "/")).stem).strip("._")[:80] or "image"
