"""Excision And Recovery (EAR): surface inspection trained on good parts only.

>>> from excision import Detector, load_dataset
>>> detector = Detector().fit(load_dataset("parts/"))          # doctest: +SKIP
>>> [prediction.verdict for prediction in detector.predict(["new_part.png"])]   # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from excision.data import Dataset as Dataset
    from excision.data import load_dataset
    from excision.detector import Detector
    from excision.errors import ExcisionError
    from excision.inspection.loading import load
    from excision.inspection.table import results_table
    from excision.predictions import Prediction
    from excision.runtime.inspector import Inspector
    from excision.settings import Settings
    from excision.version import __version__

__all__ = [
    "Detector",
    "ExcisionError",
    "Inspector",
    "Prediction",
    "Settings",
    "__version__",
    "load",
    "load_dataset",
    "results_table",
]

_HOMES = {
    "Dataset": "excision.data",
    "Detector": "excision.detector",
    "ExcisionError": "excision.errors",
    "Inspector": "excision.runtime.inspector",
    "Prediction": "excision.predictions",
    "Settings": "excision.settings",
    "__version__": "excision.version",
    "load": "excision.inspection.loading",
    "load_dataset": "excision.data",
    "results_table": "excision.inspection.table",
}


def __getattr__(name: str) -> Any:
    """Import the public names on first use: `import excision` must not cost a torch import."""
    if name not in _HOMES:
        raise AttributeError(f"module 'excision' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Show tab completion the public names alone, whatever has been imported so far."""
    return __all__
