"""Which images of a data set can be read, which training has to know before it starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from excision.data.decode import ImageInfo, check_decodes, probe_image
from excision.data.records import Dataset, Sample
from excision.errors import DatasetError, ImageError
from excision.progress import Progress

SHOWN = 3
"""Files of a kind that a note names."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a user should look at.

    Attributes:
        name: name of the sample.
        reason: what is wrong with it, in words.
    """

    name: str
    reason: str


def finding(sample: Sample, error: ImageError) -> Finding:
    """Give the finding for a sample whose image or mask raised an error."""
    return Finding(sample.name, str(error))


def readable(
    samples: Iterable[Sample],
    progress: Progress | None = None,
    decode: Callable[[Path], object] = check_decodes,
) -> tuple[tuple[Sample, ...], tuple[Finding, ...]]:
    """Separate the samples whose images can be decoded from the others, so that training can use the former.

    Args:
        samples: any samples; each image is decoded once and not kept.
        progress: called after each image.
        decode: reads an image; raises ImageError if it cannot be used.

    Returns:
        The samples with a usable image, in the given order, and a finding for each of the others.
    """
    samples = tuple(samples)
    good: list[Sample] = []
    broken: list[Finding] = []
    for done, sample in enumerate(samples, start=1):
        try:
            decode(sample.image)
            good.append(sample)
        except ImageError as error:
            broken.append(finding(sample, error))
        if progress is not None:
            progress(done, len(samples))
    return tuple(good), tuple(broken)


def check_left_out(dataset: Dataset) -> None:
    """Refuse a data set most of whose images are left out, unless that is intended.

    Raises:
        DatasetError: of the images in the folder, more are left out than used, or of those that annotations
            list, more are missing than there.
    """
    used, unknown, missing = len(dataset.samples), len(dataset.left_out), len(dataset.missing)
    if dataset.leave_out:
        return
    if missing > used:
        examples = ", ".join(dataset.missing[:SHOWN])
        raise DatasetError(
            f"{dataset.root}: {missing} of {used + missing} images that are listed are not there "
            f"({examples}). Copy them to where the list says, or write --leave-out (leave_out=True) to go on "
            "without them"
        )
    if unknown > used:
        examples = ", ".join(dataset.left_out[:SHOWN])
        raise DatasetError(
            f"{dataset.root}: {unknown} of {used + unknown} images would be left out, because nothing says "
            f"whether they are good ({examples}). Move the good ones into the folder of the good images, or "
            "write --leave-out (leave_out=True) if the others are to be left out"
        )


def check_readable(usable: int, broken: int, dataset: Dataset) -> None:
    """Refuse a data set most of whose training images cannot be used, unless that is intended.

    Args:
        usable: number of training images that can be used.
        broken: number of those that cannot.
        dataset: that they are from.

    Raises:
        DatasetError: more are broken than usable.
    """
    if usable and broken > usable and not dataset.leave_out:
        raise DatasetError(
            f"{dataset.root}: {broken} of {usable + broken} training images cannot be used; mend them, or "
            "write --leave-out (leave_out=True) to train without them"
        )


def readable_headers(samples: Iterable[Sample]) -> Iterator[ImageInfo]:
    """Give the header of each image; images that cannot be read are left out."""
    for sample in samples:
        try:
            yield probe_image(sample.image)
        except ImageError:
            continue
