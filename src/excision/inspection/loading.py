"""A folder with a model, of whichever kind, as something that inspects."""

from __future__ import annotations

from pathlib import Path

from excision.predictions import Predictor
from excision.runtime.model_folder import is_exported


def load_predictor(folder: Path) -> Predictor:
    """Load an exported model, which needs no torch, or a run folder, which does.

    Raises:
        ModelError: the folder holds neither, or a file in it is damaged.
    """
    if is_exported(folder):
        from excision.runtime.inspector import Inspector

        return Inspector(folder)
    from excision.detector import Detector

    return Detector.load(folder)
