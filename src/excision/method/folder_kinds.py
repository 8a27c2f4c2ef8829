"""Recognises what a folder holds by its file names, and words the message for a wrong folder."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Literal

from excision.storage.entry import NOT_LOCAL, url_of

RUN_MODEL, RUN_SETTINGS = "model.safetensors", "settings.toml"
EXPORTED_MODEL = "model.json"
ODD_IMAGE = "odd_image.png"
"""Picture of the odd calibration image in a run folder or an exported folder, where there is one."""
FITNESS = "fitness.json"
"""What training images are like, in a run folder or an exported folder."""

CAPABILITY = "capability.json"
"""Which defects a model is sure to find; may lie in a folder of either kind, and changes nothing about it."""
BASELINE, OLD_BASELINE = "baseline.json", "rival.json"
"""File that names the baseline of a run folder and its hyperparameters; second, its name in format 1."""

RESULTS = ("evaluation.json", "inspection.json", "results.jsonl", "results.sqlite")

Kind = Literal[
    "missing", "file", "exported", "baseline", "run", "unfinished run", "results", "images", "other"
]
Wanted = Literal["run folder", "exported folder", "model"]
"""The kind of folder that a caller needs; "model" is a run folder or an exported folder."""


def folder_kind(folder: Path) -> Kind:
    """Recognise what a folder holds by its file names, without opening a file."""
    if not folder.is_dir():
        return "file" if folder.exists() else "missing"
    names: tuple[tuple[Kind, tuple[str, ...]], ...] = (
        ("exported", (EXPORTED_MODEL,)),
        ("baseline", (BASELINE, OLD_BASELINE)),
        ("run", (RUN_MODEL,)),
        ("unfinished run", (RUN_SETTINGS,)),
        ("results", RESULTS),
    )
    for kind, marks in names:
        if any((folder / mark).is_file() for mark in marks):
            return kind
    return "images" if _holds_images(folder, depth=2) else "other"


def wrong_folder(folder: Path, wanted: Wanted) -> str:
    """Return an error message: why a folder is not of the wanted kind, and what to do about it."""
    if (url := url_of(folder)) is not None:
        return f"{url}: {NOT_LOCAL}"
    quoted, name = shlex.quote(str(folder)), shlex.quote(folder.resolve().name)
    exporting = f"excision export {quoted} DATA --out line/{name}"
    training = f"excision train DATA --out {quoted}"
    export = wanted == "exported folder"
    making = f"excision export RUN DATA --out {quoted}" if export else training
    explanations: dict[Kind, str] = {
        "missing": f"there is no such folder; `{making}` makes it",
        "file": "this is a file: name the folder that contains it",
        "exported": "this is an exported folder: open it with excision.Inspector or excision.load, or name "
        "the run folder that it was exported from",
        "baseline": "this is the run of a baseline: open it with the baseline's class in excision.baselines",
        "run": f"this is a run folder: export it first: {exporting}",
        "unfinished run": f"the training is not finished; continue it with `{training} --resume`"
        + (f", then export it: {exporting}" if export else ""),
        "results": f"this folder holds results, not a model: {_model_beside(folder)}",
        "images": "this folder holds images, not a model: train a model on them first: "
        f"excision train {quoted} --out runs/{name}",
        "other": _nothing_here(wanted),
    }
    return f"{folder}: {explanations[folder_kind(folder)]}"


def _model_beside(folder: Path) -> str:
    # By default an evaluation writes its results into the folder of the model.
    parent = folder.resolve().parent
    if folder_kind(parent) in ("run", "exported"):
        return f"name {parent}"
    return "name the run folder or the exported folder that produced them"


def _nothing_here(wanted: Wanted) -> str:
    if wanted == "model":
        return f"this is neither a run folder ({RUN_MODEL}) nor an exported folder ({EXPORTED_MODEL})"
    missing = RUN_MODEL if wanted == "run folder" else EXPORTED_MODEL
    return f"this is not {'an' if wanted == 'exported folder' else 'a'} {wanted} ({missing} is missing)"


def _holds_images(folder: Path, depth: int) -> bool:
    # Imported here: the file names above are used wherever run folders are, without loading an image decoder.
    from excision.data.listing import image_files, subfolders

    if image_files(folder):
        return True
    return depth > 0 and any(_holds_images(child, depth - 1) for child in subfolders(folder))
