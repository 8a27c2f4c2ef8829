"""The data sets of a benchmark, each with a name of its own and what tells whether it has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from excision.data.records import Dataset
from excision.errors import DatasetError


@dataclass(frozen=True, slots=True)
class Source:
    """A data set, and the name of the folder for its results.

    Attributes:
        name: unique in the benchmark.
        path: as `load_dataset` takes it.
        layout: detected layout of the data set.
        listing: hash of its names, splits, labels and masks, to detect changes.
    """

    name: str
    path: str
    layout: str
    listing: str


def describe(datasets: Sequence[tuple[str, Dataset]]) -> tuple[Source, ...]:
    """Return data sets, given with their paths, as sources with unique names.

    Raises:
        DatasetError: a data set has no test images or no normal training images.
    """
    sources: list[Source] = []
    for path, dataset in datasets:
        if not dataset.train or not dataset.test:
            missing = "test" if dataset.train else "normal training"
            raise DatasetError(
                f"{path}: there are no {missing} images (layout {dataset.layout}), and a benchmark needs "
                "normal images to train on and test images with known labels; `excision check` shows what "
                "was understood"
            )
        # An installed package is given by its name, not by its folder.
        name = (dataset.root.resolve().name if Path(path).exists() else path) or "data"
        taken = {source.name for source in sources}
        numbered = (f"{name}-{number}" for number in range(2, len(datasets) + 2))
        unique = name if name not in taken else next(other for other in numbered if other not in taken)
        sources.append(Source(unique, path, dataset.layout, _listing(dataset)))
    return tuple(sources)


def _listing(dataset: Dataset) -> str:
    lines = [[sample.name, sample.split, sample.label, sample.mask is not None] for sample in dataset.samples]
    return hashlib.sha256(json.dumps(lines).encode("utf-8", "surrogateescape")).hexdigest()
