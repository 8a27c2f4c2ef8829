"""The files of a model, of either kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from excision.method import run_folder
from excision.runtime import model_folder

MODEL_FILES = (
    *model_folder.VERDICT_FILES,
    *model_folder.OTHER_FILES,
    *run_folder.VERDICT_FILES,
    *run_folder.OTHER_FILES,
)
"""Names of all files that a run folder or an exported folder may have."""


def model_files(folder: Path) -> Iterator[Path]:
    """Give the files of a model, without the reports and pictures beside them."""
    return (folder / name for name in dict.fromkeys(MODEL_FILES) if (folder / name).is_file())
