"""`excision info`: what a run folder contains."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from cyclopts import App

from excision.cli.options import JsonOption, RunArgument
from excision.cli.output import say, say_facts
from excision.errors import ModelError
from excision.features.record import FEATURES, FeatureRecord
from excision.method.folder_kinds import FITNESS, wrong_folder
from excision.method.model_facts import (
    LEAST_EXPLAINED,
    FeatureDistanceFacts,
    read_feature_distance,
    read_network_distance,
)
from excision.method.run_folder import (
    CALIBRATION,
    FINGERPRINT,
    MODEL,
    SETTINGS,
    TRAINING,
    load_calibration,
    load_image_format,
    read_json,
)
from excision.settings import Settings
from excision.system.files import write_json
from excision.tiling.image_format import ImageFormat
from excision.training import KNOWN_DEFECTS

_DATA = {"Data": "{root} (layout {layout})"}
_COST = {
    "Trained on": "{n_training} good images",
    "Calibrated with": "{n_calibration} good images",
    "Skipped": "{n_skipped} images",
    "Training took": "{seconds:.0f} s, peak memory {peak_memory_mb:.0f} MB",
    "Machine": "{processor}, {cores} cores",
    "Made with": "excision {excision}, torch {torch}",
}

app = App(
    name="info",
    help_epilogue="Reads the files of the run folder; it needs neither the images nor torch.\n\n"
    "```\nexcision info runs/parts\nexcision info runs/parts --json run.json\n```",
)


@app.default
def info(run: RunArgument, /, *, json: JsonOption = None) -> None:
    """Show the data, settings, threshold and cost of a run."""
    from excision.method.fitness import load_fitness

    if not (run / MODEL).is_file():
        raise ModelError(wrong_folder(run, "run folder"))
    settings = Settings.load(run / SETTINGS, warn_of_old_names=False)
    calibration, image_format = load_calibration(run), load_image_format(run, settings)
    data, training = _record(run / FINGERPRINT), _record(run / TRAINING)
    fitness = load_fitness(run / FITNESS, image_format.channels)
    say_facts(
        [
            *_facts(run / FINGERPRINT, data, _DATA),
            *_facts(run / TRAINING, training, _COST),
            *known_defects(training or {}),
            ("Image size", _size(image_format)),
            ("Threshold", f"{calibration.threshold:.6g}"),
            ("Promise", calibration.explain()),
            ("Unfit images", "none is judged as unfit" if fitness is None else fitness.explain()),
            *feature_distance(run),
        ]
    )
    _say_settings(settings)
    if json is not None:
        known = {
            "settings": dataclasses.asdict(settings),
            "image_format": dataclasses.asdict(image_format),
            "calibration": read_json(run / CALIBRATION),
        }
        if (run / FEATURES).is_file():
            known["features"] = {**read_json(run / FEATURES), "graph": None}
        write_json(json, {**known, "training": training, "data": data})


def _size(image_format: ImageFormat) -> str:
    kind = "grey" if image_format.channels == 1 else "colour"
    cut = ", tiles at full resolution" if image_format.tiling else ""
    return f"{image_format.size[0]} x {image_format.size[1]} pixels (height x width), {kind}{cut}"


def _record(path: Path) -> Any:
    """Read a record of the training; a detector that was saved from Python has none."""
    return read_json(path) if path.is_file() else None


def _facts(path: Path, record: Any, lines: dict[str, str]) -> list[tuple[str, str]]:
    """Fill the lines with the values of a record."""
    if record is None:
        return []
    try:
        values = {**record, "n_skipped": len(record.get("skipped", ()))}
        return [(name, line.format_map(values)) for name, line in lines.items()]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: this is not a record of a training: {error!r}") from error


def known_defects(training: dict[str, Any]) -> list[tuple[str, str]]:
    """Say how many known defects a training used, as its record tells; nothing if it used none."""
    used = training.get(KNOWN_DEFECTS)
    if not isinstance(used, dict):
        return []
    counts = [len(used.get(part, ())) for part in ("with_mask", "without_mask", "skipped")]
    words = [f"{counts[0]} images with a mask", f"{counts[1]} without", f"{counts[2]} skipped"]
    return [("Known defects", ", ".join(words[:2] + words[2:] * bool(counts[2])))]


_UNUSED = "not used: position explains too little of the variance, or images are tiled"


def feature_distance(run: Path) -> list[tuple[str, str]]:
    """Say whether a run uses feature distances, whether it aligns parts first, and which network it uses.

    Raises:
        ModelError: a file is damaged.
    """
    lines = []
    facts = read_feature_distance(run / MODEL)
    if facts is not None:
        lines.append(("Feature distance", _explained(facts)))
        if facts.appearances:
            *counts, last = map(str, facts.appearances)
            told = f"{len(facts.appearances)}, with {', '.join(counts)} and {last} good images"
            lines.append(("Appearances", told))
    of_attention = read_network_distance(run / MODEL, "attention")
    if of_attention is not None:
        lines.append(("Attention's features", _explained(of_attention)))
    if (run / FEATURES).is_file():
        record = FeatureRecord.load(run / FEATURES)
        lines.append(("Feature network", record.explain()))
        for grid in record.grids:
            of_network = read_network_distance(run / MODEL, grid.name)
            lines.append((f"Its {grid.name} grid", _UNUSED if of_network is None else _of_grid(of_network)))
    return lines


def _of_grid(facts: FeatureDistanceFacts) -> str:
    if facts.explained_variance >= LEAST_EXPLAINED:
        return _explained(facts)
    pooled = "used, with one distribution for all positions"
    if facts.explained_variance == 0:  # always so in tiles
        return pooled
    return f"{pooled}: position explains {facts.explained_variance:.0%} of the variance"


def _explained(facts: FeatureDistanceFacts) -> str:
    position = "position on the aligned part" if facts.aligned else "position in the image"
    return f"used: {position} explains {facts.explained_variance:.0%} of the variance"


def _say_settings(settings: Settings) -> None:
    """Print every setting; a star marks those that differ from the default."""
    default = Settings()
    say("\nSettings (* differs from the default)")
    for section, values in dataclasses.asdict(settings).items():
        for name, value in values.items():
            changed = value != getattr(getattr(default, section), name)
            shown = " ".join(map(str, value)) if isinstance(value, tuple) else value
            say(f"{'*' if changed else ' '} {section}.{name} = {shown}")
