"""A folder with a model, of whichever kind, as something that inspects."""

from __future__ import annotations

from pathlib import Path

from excision.deploy.folder import is_exported
from excision.results import Predictor


def load_predictor(folder: Path) -> Predictor:
    """Load an exported model, which needs no torch, or a run folder, which does.

    Raises:
        ModelError: the folder holds neither, or a file in it is damaged.
    """
    if is_exported(folder):
        from excision.runtime import Inspector

        return Inspector(folder)
    from excision.detector import Detector

    return Detector.load(folder)
