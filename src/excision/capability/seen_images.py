"""Test images that a model was trained or calibrated on: they would make its figures too good."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from excision.capability.known_images import KnownImages
from excision.data import Dataset

UNKNOWN = (
    "the model's folder does not say which images it was trained on: make sure that none of them is among "
    "the test images"
)


def without_seen(dataset: Dataset, folder: Path) -> tuple[Dataset, str | None]:
    """Leave out the test images that a model has seen, as its folder tells.

    Defective ones are the known defects that sharpened its attention. Good ones may have been copied from the
    training images, or be in the test split of a data set that another version divided otherwise.

    Args:
        dataset: data set that is measured.
        folder: run folder or exported folder.

    Returns:
        The data set, and a note: on what was left out, or that the folder does not say what the model has
        seen. None if there is nothing to note.

    Raises:
        ModelError: the hashes of an exported folder are damaged.
    """
    known = KnownImages.of(folder)
    good = [sample for sample in dataset.test if not sample.defective]
    if not known.are_known:
        return dataset, UNKNOWN
    defective = [sample for sample in dataset.test if sample.defective]
    seen = {s.name for s in good if known.has_file(s.image) or known.has_calibrated(s.image)}
    lessons = {s.name for s in defective if known.has_defect(s.image)}
    notes = []
    if seen:
        notes.append(
            f"{len(seen)} of {len(good)} good test images trained or calibrated this model, such as "
            f"{min(seen)}, and are left out: they would make the figures too good"
        )
    if lessons:
        notes.append(
            f"{len(lessons)} of {len(defective)} defective test images are known defects that this model was "
            f"trained with, such as {min(lessons)}, and are left out"
        )
    if not notes:
        return dataset, None
    kept = tuple(s for s in dataset.samples if s.split != "test" or s.name not in seen | lessons)
    return replace(dataset, samples=kept), "; ".join(notes)
