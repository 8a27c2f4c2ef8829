"""Reading data: decoding, data set layouts, splits and working images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from excision.data.layouts import load_dataset
    from excision.data.records import Dataset, Sample

__all__ = ["Dataset", "Sample", "load_dataset"]

_HOMES = {"Dataset": "records", "Sample": "records", "load_dataset": "layouts"}


def __getattr__(name: str) -> Any:
    """Import these names on first use: whoever only decodes images does without the layouts of data sets."""
    if name not in _HOMES:
        raise AttributeError(f"module 'excision.data' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f"excision.data.{_HOMES[name]}"), name)
