"""Excision And Recovery (EAR): surface inspection trained on good parts only.

>>> from excision import Detector, load_dataset
>>> detector = Detector().fit(load_dataset("parts/"))          # doctest: +SKIP
>>> [prediction.verdict for prediction in detector.predict(["new_part.png"])]   # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from excision.data import Dataset, load_dataset
    from excision.detector import Detector
    from excision.predictions import Prediction
    from excision.settings import Settings

__all__ = ["Dataset", "Detector", "Prediction", "Settings", "__version__", "load_dataset"]

_HOMES = {
    "Dataset": "excision.data",
    "Detector": "excision.detector",
    "Prediction": "excision.predictions",
    "Settings": "excision.settings",
    "load_dataset": "excision.data",
}


def __getattr__(name: str) -> Any:
    """Import the public names on first use: `import excision` must not cost a torch import."""
    if name not in _HOMES:
        raise AttributeError(f"module 'excision' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
