"""The plan of a benchmark: cells of data set, variant and seed, and the tables made from them."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from excision import baselines
from excision.benchmark.sources import Source
from excision.errors import SettingsError
from excision.method.run_folder import MODEL
from excision.settings import AnomalyMapKind, Settings
from excision.settings.checks import as_fields
from excision.settings.renamed import with_new_names

EAR, EAR_FEATURES = "ear", "ear-features"

FEATURES = "efficientnet-lite0"
"""The features of `EAR_FEATURES`."""

METHODS = (EAR, EAR_FEATURES, "riad", "unet", "ae", "draem", "patchcore", "padim")
"""Methods that are compared by default."""

SEEDLESS = ("padim", "padim-aligned")
"""Methods in which the seed decides nothing but the choice of training tiles: one cell is enough."""

OF_BASELINES = ("image", "recovery", "training", "calibration")
"""Sections of the settings that baselines use; the others are EAR's alone."""

LABELS = {
    EAR: "EAR",
    EAR_FEATURES: "EAR, EfficientNet-Lite0 features",
    "riad": "RIAD",
    "unet": "U-Net",
    "unet-no-skips": "U-Net without skips",
    "ae": "Autoencoder",
    "draem": "DRAEM",
    "patchcore": "PatchCore",
    "padim": "PaDiM",
    "patchcore-aligned": "PatchCore, aligned",
    "padim-aligned": "PaDiM, aligned",
}

CELL, ERROR, THROUGHPUT = "cell.json", "error.json", "throughput.json"

ROUNDS = 7
"""Number of times each model is timed."""


@dataclass(frozen=True, slots=True)
class Inference:
    """Changes to EAR with the same trained weights: at inference, or in what is learnt without gradients.

    Attributes:
        mask: False excises nothing.
        skips: skip connections that are on; None leaves them unchanged.
        map: how image and recovery are compared; None leaves it unchanged.
        features: features that are compared, as in `ScoreSettings`; None leaves them unchanged.
    """

    mask: bool = True
    skips: str | None = None
    map: AnomalyMapKind | None = None
    features: str | None = None


@dataclass(frozen=True, slots=True)
class Variant:
    """A method with its settings, except the seed, which belongs to the cell.

    Attributes:
        key: name of its folder.
        method: "ear" or the name of a baseline.
        settings: settings of the training.
        inference: for EAR only; anything but the default is measured on the run of the variant "ear".
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
    """A row of a table."""

    label: str
    variant: Variant


@dataclass(frozen=True, slots=True)
class Cell:
    """One training and its measurement.

    Attributes:
        budget: length of the training: "steps", "ear" (the seconds that EAR took) or a number of minutes.
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
        """Folder of the cell's results."""
        return out / self.source.name / self.variant.key / f"seed-{self.seed}"

    def run(self, out: Path) -> Path:
        """Folder of the trained model."""
        return out / self.source.name / self.variant.run / f"seed-{self.seed}"

    def model(self, out: Path) -> tuple[Path, Inference]:
        """Folder of the model that is measured, and what is changed in it at inference."""
        own = self.variant.inference
        return (self.run(out), own) if own.features is None else (self.folder(out), Inference())

    def identity(self) -> dict[str, Any]:
        """Return everything that the results depend on, as JSON; equal identities mean the same cell."""
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
        return _with_own_settings(plain)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a benchmark runs and reports.

    Attributes:
        sources: the data sets.
        rows: rows of the table of methods.
        ablations: rows of each further table, by its title.
        seeds: seeds of every row.
        minutes: training time of each baseline; None takes the time that EAR took.
        runs: folder of finished runs "NAME-SEED" that stand for the training of EAR; None trains it.
    """

    sources: tuple[Source, ...]
    rows: tuple[Row, ...]
    ablations: dict[str, tuple[Row, ...]]
    seeds: tuple[int, ...]
    minutes: float | None = None
    runs: Path | None = None

    def given_run(self, cell: Cell) -> Path | None:
        """Return where a run would lie that stands for the training of a cell; None if none can."""
        if self.runs is None or cell.variant.key != EAR:
            return None
        return self.runs / f"{cell.source.name}-{cell.seed}"

    def finished_run(self, cell: Cell) -> Path | None:
        """Return the finished run that stands for the training of a cell; None if it is to be trained."""
        run = self.given_run(cell)
        return run if run is not None and (run / MODEL).is_file() else None

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Return every variant once: EAR first, since others need its training time and its run."""
        rows = [*self.rows, *(row for table in self.ablations.values() for row in table)]
        unique = {row.variant.key: row.variant for row in rows}
        return tuple(sorted(unique.values(), key=lambda variant: (variant.key != EAR, variant.method != EAR)))

    def cells(self) -> list[Cell]:
        """Return every cell in order: the first seed of all variants, then the second, and so on."""
        with_ear = any(variant.key == EAR for variant in self.variants)
        baselines: str | float = self.minutes if self.minutes is not None else EAR if with_ear else "steps"
        return [
            Cell(source, variant, seed, "steps" if variant.method == EAR else baselines)
            for seed in self.seeds
            for source in self.sources
            for variant in self.variants
            if seed == self.seeds[0] or variant.method not in SEEDLESS
        ]


def choose_methods(names: str) -> tuple[str, ...]:
    """Read a list of methods, "ear,riad".

    Raises:
        SettingsError: a method is unknown, or the list is empty.
    """
    chosen = tuple(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    known = (EAR, EAR_FEATURES, *baselines.BASELINES)
    for name in chosen:
        if name not in known:
            raise SettingsError(f'"{name}" is not a method to compare: choose from {", ".join(known)}')
    if not chosen:
        raise SettingsError(f"no method is named: choose from {', '.join(known)}")
    if EAR_FEATURES in chosen and EAR not in chosen:
        raise SettingsError(f"{EAR_FEATURES} is measured on the trained run of {EAR}: name {EAR}, too")
    return chosen


def method_row(name: str, settings: Settings) -> Row:
    """Return the row of a method with the given settings."""
    if name != EAR_FEATURES:
        return Row(LABELS.get(name, name), Variant(name, name, settings))
    same = settings.score.features == FEATURES
    return Row(
        LABELS[name],
        Variant(EAR, EAR, settings) if same else Variant(name, EAR, settings, Inference(features=FEATURES)),
    )


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
    if settings is None:
        return identity
    # Results of an earlier version do not name changes that it did not know.
    inference = {**dataclasses.asdict(Inference()), **identity.get("inference", {})}
    known = {**identity, "settings": with_new_names(settings)[0], "inference": inference}
    return _with_own_settings(known)


def _with_own_settings(identity: dict[str, Any]) -> dict[str, Any]:
    """Leave out the settings that a baseline ignores, so that a change of EAR leaves its results valid."""
    if identity["method"] == EAR:
        return identity
    own = {name: each for name, each in identity["settings"].items() if name in OF_BASELINES}
    return {**identity, "settings": own}
