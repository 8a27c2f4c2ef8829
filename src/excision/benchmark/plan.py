"""What a benchmark runs: cells of data set, variant and seed, and the tables that they fill."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from excision import baselines
from excision.data.records import Dataset
from excision.errors import DatasetError, SettingsError
from excision.settings import AnomalyMapKind, Settings
from excision.settings.checks import as_fields
from excision.settings.renamed import with_new_names

EAR = "ear"

METHODS = (EAR, "riad", "unet", "ae", "draem", "patchcore", "padim")
"""Methods that are compared where none are named."""

LABELS = {
    EAR: "EAR",
    "riad": "RIAD",
    "unet": "U-Net",
    "unet-no-skips": "U-Net without skips",
    "ae": "Autoencoder",
    "draem": "DRAEM",
    "patchcore": "PatchCore",
    "padim": "PaDiM",
}

CELL, ERROR, THROUGHPUT = "cell.json", "error.json", "throughput.json"

ROUNDS = 7
"""How often each model is timed."""


@dataclass(frozen=True, slots=True)
class Inference:
    """What EAR does otherwise at inference alone, on weights trained as they were.

    Attributes:
        mask: False leaves the image whole.
        skips: skip connections that are on; None leaves them as they are.
        map: how image and recovery are compared; None leaves it as it is.
    """

    mask: bool = True
    skips: str | None = None
    map: AnomalyMapKind | None = None


@dataclass(frozen=True, slots=True)
class Variant:
    """A method with its settings; the seed is the cell's.

    Attributes:
        key: name of its folder.
        method: "ear" or the name of a baseline.
        settings: of the training.
        inference: only of EAR; anything but the default is measured on the run of the variant "ear".
    """

    key: str
    method: str
    settings: Settings
    inference: Inference = field(default_factory=Inference)

    @property
    def run(self) -> str:
        """Key of the variant whose trained run this one is measured on."""
        return self.key if self.inference == Inference() else EAR


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table."""

    label: str
    variant: Variant


@dataclass(frozen=True, slots=True)
class Source:
    """A data set by the name of its folder of results.

    Attributes:
        name: unique in the benchmark.
        path: as `load_dataset` takes it.
        layout: as the data set was understood.
        listing: hash of its names, splits, labels and masks, which says whether it is still the same.
    """

    name: str
    path: str
    layout: str
    listing: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One training and measurement.

    Attributes:
        budget: what decides how long is trained: "steps", "ear" (seconds that EAR took) or minutes.
    """

    source: Source
    variant: Variant
    seed: int
    budget: str | float

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.source.name}, {self.variant.key}, seed {self.seed}"

    def folder(self, out: Path) -> Path:
        """Where the cell's results lie."""
        return out / self.source.name / self.variant.key / f"seed-{self.seed}"

    def run(self, out: Path) -> Path:
        """Where the trained model lies."""
        return out / self.source.name / self.variant.run / f"seed-{self.seed}"

    def identity(self) -> dict[str, Any]:
        """Give, as JSON has it, all that the results depend on; equal identities are the same cell."""
        settings = self.variant.settings
        settings = replace(settings, training=replace(settings.training, seed=self.seed))
        content = {
            "method": self.variant.method,
            "settings": dataclasses.asdict(settings),
            "inference": dataclasses.asdict(self.variant.inference),
            "budget": self.budget,
            "layout": self.source.layout,
            "listing": self.source.listing,
        }
        plain: dict[str, Any] = json.loads(json.dumps(content))
        return plain


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a benchmark runs and shows.

    Attributes:
        sources: the data sets.
        rows: of the table of methods.
        ablations: rows of each further table, by its title.
        seeds: of every row.
        minutes: training time of each baseline; None gives it as long as EAR took.
    """

    sources: tuple[Source, ...]
    rows: tuple[Row, ...]
    ablations: dict[str, tuple[Row, ...]]
    seeds: tuple[int, ...]
    minutes: float | None = None

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Return every variant once: EAR first, since others wait for its time and its run."""
        rows = [*self.rows, *(row for table in self.ablations.values() for row in table)]
        unique = {row.variant.key: row.variant for row in rows}
        return tuple(sorted(unique.values(), key=lambda variant: (variant.key != EAR, variant.method != EAR)))

    def cells(self) -> list[Cell]:
        """Return every cell in the order of work: the first seed of all, then the second of all."""
        with_ear = any(variant.key == EAR for variant in self.variants)
        baselines: str | float = self.minutes if self.minutes is not None else EAR if with_ear else "steps"
        return [
            Cell(source, variant, seed, "steps" if variant.method == EAR else baselines)
            for seed in self.seeds
            for source in self.sources
            for variant in self.variants
        ]


def choose_methods(names: str) -> tuple[str, ...]:
    """Read a list of methods, "ear,riad".

    Raises:
        SettingsError: one is unknown, or none is named.
    """
    chosen = tuple(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    known = (EAR, *baselines.BASELINES)
    for name in chosen:
        if name not in known:
            raise SettingsError(f'"{name}" is no method to compare: choose from {", ".join(known)}')
    if not chosen:
        raise SettingsError(f"no method is named: choose from {', '.join(known)}")
    return chosen


def method_row(name: str, settings: Settings) -> Row:
    """Return the row of a method as it is."""
    return Row(LABELS.get(name, name), Variant(name, name, settings))


def describe(datasets: Sequence[tuple[str, Dataset]]) -> tuple[Source, ...]:
    """Name data sets, given with their paths, for the folders of their results.

    Raises:
        DatasetError: one has no test images or no good training images.
    """
    sources: list[Source] = []
    for path, dataset in datasets:
        if not dataset.train or not dataset.test:
            lacking = "test" if dataset.train else "good training"
            raise DatasetError(
                f"{path}: there are no {lacking} images (layout {dataset.layout}), and a benchmark needs "
                "good images to train on and test images with known labels; `excision check` shows what "
                "was understood"
            )
        name = dataset.root.resolve().name or "data"
        taken = {source.name for source in sources}
        numbered = (f"{name}-{number}" for number in range(2, len(datasets) + 2))
        unique = name if name not in taken else next(other for other in numbered if other not in taken)
        sources.append(Source(unique, path, dataset.layout, _listing(dataset)))
    return tuple(sources)


def settings_of(content: dict[str, Any]) -> Settings:
    """Read the settings of an identity.

    Raises:
        SettingsError: a value is out of range.
    """
    kinds: dict[str, Any] = {item.name: item.default_factory for item in dataclasses.fields(Settings)}
    return Settings(**{name: kinds[name](**as_fields(values)) for name, values in content.items()})


def stored_identity(content: dict[str, Any]) -> dict[str, Any]:
    """Give the identity that a file of results names, its settings by today's names; empty for none."""
    identity: dict[str, Any] = content.get("identity", {})
    settings = identity.get("settings")
    return identity if settings is None else {**identity, "settings": with_new_names(settings)[0]}


def _listing(dataset: Dataset) -> str:
    lines = [[sample.name, sample.split, sample.label, sample.mask is not None] for sample in dataset.samples]
    return hashlib.sha256(json.dumps(lines).encode("utf-8", "surrogateescape")).hexdigest()
