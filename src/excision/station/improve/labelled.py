"""The parts of a station that people labelled, as images for a training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from excision.station.store.query import Query
from excision.station.store.records import Label, StoredResult, Truth
from excision.station.store.store import Store
from excision.station.work.kept_images import Images
from excision.system.files import sha256


@dataclass(frozen=True, slots=True)
class LabelledPart:
    """A part with a label that a person stands for, and its kept image.

    Attributes:
        result: number of its result.
        image: the kept file.
        digest: SHA-256 of that file.
        name: what a training calls it.
        truth: what the last label says.
        who: gave that label.
        agreeing: everybody whose last word is the same, in the order of their labels.
        contradicting: everybody whose last word is the other.
        score: that the result recorded; None where the image could not be inspected.
        version: of the model that recorded it.
        unfit: why the image was judged unfit; empty where it was not.
        serial: serial number of the part; None where it is unknown.
    """

    result: int
    image: Path
    digest: str
    name: str
    truth: Truth
    who: str
    agreeing: tuple[str, ...]
    contradicting: tuple[str, ...]
    score: float | None
    version: str
    unfit: tuple[str, ...]
    serial: str | None

    @property
    def confirmed(self) -> bool:
        """Tell whether a second person says the same, and nobody the opposite."""
        return len(self.agreeing) > 1 and not self.contradicting


@dataclass(frozen=True, slots=True)
class Labelled:
    """The labelled parts of a model.

    Attributes:
        parts: in the order of their numbers.
        unnamed: labelled parts that are not used, since the label names nobody.
        not_kept: labelled parts that are not used, since their image is not kept.
        failed: labelled parts that are not used, since their image could not be inspected.
    """

    parts: tuple[LabelledPart, ...]
    unnamed: int = 0
    not_kept: int = 0
    failed: int = 0

    @property
    def left_out(self) -> list[str]:
        """Say which are not used and why, a sentence each."""
        reasons = (
            (self.unnamed, "name nobody: label them again, with a name"),
            (self.not_kept, "have no kept image (--keep all keeps every image)"),
            (self.failed, "could not be inspected"),
        )
        return [
            f"{count} labelled {'part' if count == 1 else 'parts'} left out: they {why}."
            for count, why in reasons
            if count
        ]


def read_labelled(store: Store, images: Images, model: str) -> Labelled:
    """Read the labelled parts of a model; a label that was withdrawn does not count.

    Args:
        store: with the labels.
        images: kept images.
        model: its name at the station.
    """
    parts: list[LabelledPart] = []
    why: Counter[str] = Counter()
    for result in store.walk(Query(model=model, labelled=True)):
        labels = standing_labels(store.labels(result.id))
        path = images.find(result.image)
        if not labels:
            continue
        if not plain(labels[-1].who):
            why["unnamed"] += 1
        elif result.score is None:
            why["failed"] += 1
        elif path is None:
            why["not_kept"] += 1
        else:
            parts.append(_part(result, path, labels))
    return Labelled(tuple(parts), **why)


def standing_labels(labels: Iterable[Label]) -> list[Label]:
    """Give the labels that count, the oldest first: those that nobody has withdrawn."""
    return [label for label in labels if label.withdrawn is None]


def plain(who: str) -> str:
    """Give a name as names are compared: "A. Costa" and " a. costa" are one person."""
    return " ".join(who.split()).casefold()


def last_words(labels: Iterable[Label]) -> Iterator[Label]:
    """Give the last label of each person who gave a name, in the order of these."""
    last: dict[str, Label] = {}
    for label in labels:
        if plain(label.who):
            last.pop(plain(label.who), None)
            last[plain(label.who)] = label
    yield from last.values()


def _part(result: StoredResult, path: Path, labels: list[Label]) -> LabelledPart:
    truth, words = labels[-1].truth, list(last_words(labels))
    return LabelledPart(
        result=result.id,
        image=path,
        digest=sha256(path),
        name=f"station/{result.id:08d}{path.suffix}",
        truth=truth,
        who=labels[-1].who,
        agreeing=tuple(label.who for label in words if label.truth == truth),
        contradicting=tuple(label.who for label in words if label.truth != truth),
        score=result.score,
        version=result.model_version,
        unfit=result.unfit,
        serial=result.serial,
    )
