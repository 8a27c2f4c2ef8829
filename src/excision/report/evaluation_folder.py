"""Whether a folder may receive the results of an evaluation."""

from __future__ import annotations

import json
from pathlib import Path

from excision.errors import SettingsError
from excision.inspection.log import JSONL
from excision.method.folder_kinds import CAPABILITY
from excision.report.results_folder import EVALUATION
from excision.visualization.overlays import OVERLAYS

_BEFORE_THE_FIGURES = frozenset({OVERLAYS, CAPABILITY})
"""What an evaluation that was stopped leaves: pictures, and the study of the model."""


def check_evaluation_folder(folder: Path) -> None:
    """Check, before any work, that an evaluation replaces nothing but an earlier one.

    Raises:
        SettingsError: the path is a file, or the folder holds anything but an evaluation.
    """
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder}: is a file; name a folder for the results")
    if not folder.is_dir():
        return
    found = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    if JSONL in found:
        raise SettingsError(f"{folder} holds the results of an inspection: choose another folder")
    if not found <= _BEFORE_THE_FIGURES and not _is_evaluation(folder / EVALUATION):
        example = sorted(found - _BEFORE_THE_FIGURES)[0]
        raise SettingsError(
            f"{folder} holds other files, such as {example}, and no earlier evaluation: choose another folder"
        )


def _is_evaluation(file: Path) -> bool:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and "image_auroc" in content
