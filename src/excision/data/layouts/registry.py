"""The list of known layouts. A new layout is one file with one decorated function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from excision.data.records import Sample, UnusedMask


class Precedence(IntEnum):
    """Which layout is used if several fit; between layouts of equal precedence the user has to choose."""

    EXPLICIT = 0
    SPECIFIC = 1
    ANNOTATED = 2
    GENERAL = 3


@dataclass(frozen=True, slots=True)
class Contents:
    """The result of a layout.

    Attributes:
        root: folder that the names of the samples are relative to.
        samples: in any order.
        notes: how it interpreted the folder.
        unused_masks: masks that no sample uses.
        left_out: images in the folder whose label is unknown.
        missing: images that an annotation file lists, but whose files are not there.
        columns: further columns of a table, each with its value for each sample by name.
    """

    root: Path
    samples: list[Sample]
    notes: list[str]
    unused_masks: Sequence[UnusedMask] = ()
    left_out: Sequence[Path] = ()
    missing: Sequence[str] = ()
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def orphans(root: Path, masks: Iterable[Path]) -> list[UnusedMask]:
    """Describe masks for which there is no image."""
    return [
        UnusedMask(mask, mask.relative_to(root).as_posix(), "no image has its name") for mask in sorted(masks)
    ]


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout: one way to arrange a data set on disk.

    Attributes:
        name: value of `--layout`.
        looks_for: what a data set is recognised by, for messages.
        recognise: tells whether a path looks like this layout, from names alone.
        read: reads the path; raises DatasetError if it does not follow the layout after all.
        precedence: which layout is used if several fit.
    """

    name: str
    looks_for: str
    recognise: Callable[[Path], bool]
    read: Callable[[Path], Contents]
    precedence: Precedence


LAYOUTS: dict[str, Layout] = {}


def layout(
    name: str,
    looks_for: str,
    recognise: Callable[[Path], bool],
    precedence: Precedence = Precedence.SPECIFIC,
) -> Callable[[Callable[[Path], Contents]], Callable[[Path], Contents]]:
    """Register the decorated function as the reader of a layout."""

    def register(read: Callable[[Path], Contents]) -> Callable[[Path], Contents]:
        LAYOUTS[name] = Layout(name, looks_for, recognise, read, precedence)
        return read

    return register
