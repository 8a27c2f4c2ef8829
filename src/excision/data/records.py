"""A data set, whatever its layout on disk: named samples with a split and a label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from excision.data.annotations.base import Annotation

Split = Literal["train", "test"]

GOOD = "good"
"""The label of normal images; every other label is a kind of defect."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One image of a data set.

    Attributes:
        name: path of the image relative to the data set's root, with forward slashes; unique in the data set.
        image: path of the image file.
        split: "train" or "test".
        label: "good" for a normal image, otherwise the kind of defect.
        mask: file of the defect mask, or the annotation it is drawn from; None if there is none, as for every
            normal image.
        group: samples of one group show the same part, strip or moment and must stay on the same side of any
            split; the name of the image where nothing is known.
    """

    name: str
    image: Path
    split: Split
    label: str
    mask: Path | Annotation | None
    group: str

    @property
    def defective(self) -> bool:
        """Tell whether the label is a kind of defect."""
        return self.label != GOOD


@dataclass(frozen=True, slots=True)
class UnusedMask:
    """A mask file that no sample uses.

    Attributes:
        path: the file.
        name: path relative to the data set's root, with forward slashes.
        reason: why it is not used, in words.
        image: the normal image that it belongs to; None if it belongs to no image.
    """

    path: Path
    name: str
    reason: str
    image: Path | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set as one layout interpreted it.

    Attributes:
        root: folder that the names of the samples are relative to.
        layout: name of the layout that read it.
        samples: all samples, in the order of their names.
        notes: how the folder was interpreted, one sentence each.
        unused_masks: masks that no sample uses.
        left_out: names of the images that are in the folder, but whose label is unknown.
        leave_out: whether it is intended that most images may be left out.
        missing: images that an annotation file lists, but whose files are not there.
        columns: further columns of a table, each with its value for each sample by name; `--groups` may name
            one.
        dropped: names of good training images that are left out as suspects.
    """

    root: Path
    layout: str
    samples: tuple[Sample, ...]
    notes: tuple[str, ...] = ()
    unused_masks: tuple[UnusedMask, ...] = ()
    left_out: tuple[str, ...] = ()
    leave_out: bool = False
    missing: tuple[str, ...] = ()
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()

    def without(self, names: Iterable[str]) -> Dataset:
        """Return the data set without the good training images of these names."""
        dropped = {*self.dropped, *names}
        kept = (s for s in self.samples if s.defective or s.split != "train" or s.name not in dropped)
        return replace(self, samples=tuple(kept), dropped=tuple(sorted(dropped)))

    def as_test(self) -> Dataset:
        """Return the data set with every image as a test image."""
        return replace(self, samples=tuple(replace(sample, split="test") for sample in self.samples))

    @property
    def train(self) -> tuple[Sample, ...]:
        """Give the normal training samples; defective samples are never used for training."""
        return tuple(s for s in self.samples if s.split == "train" and not s.defective)

    @property
    def test(self) -> tuple[Sample, ...]:
        """Give all test samples, normal and defective."""
        return tuple(s for s in self.samples if s.split == "test")
