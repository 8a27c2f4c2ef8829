"""Test images that a model was trained or calibrated on: they would make its figures too good."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from excision.capability.known_images import KnownImages
from excision.data import Dataset


def without_seen(dataset: Dataset, folder: Path) -> tuple[Dataset, str | None]:
    """Leave out the good test images that a model has seen, as its folder tells.

    A data set without a split of its own is divided by this version. An earlier one may have divided it
    otherwise, so that images which trained a model are in the test split now.

    Args:
        dataset: data set that is measured.
        folder: run folder or exported folder.

    Returns:
        The data set, and a note on what was left out.

    Raises:
        ModelError: the hashes of an exported folder are damaged.
    """
    known = KnownImages.of(folder)
    good = [sample for sample in dataset.test if not sample.defective]
    if not known.are_known:
        return dataset, None
    seen = {s.name for s in good if known.has_file(s.image) or known.has_calibrated(s.image)}
    if not seen:
        return dataset, None
    kept = tuple(s for s in dataset.samples if s.split != "test" or s.defective or s.name not in seen)
    return replace(dataset, samples=kept), (
        f"{len(seen)} of {len(good)} good test images trained or calibrated this model, such as {min(seen)}, "
        "and are left out: an earlier version divided the data set otherwise"
    )
