"""Reading data: decoding, data set layouts, splits and working images."""

from __future__ import annotations

from excision.data.layouts import load_dataset
from excision.data.records import Dataset, Sample

__all__ = ["Dataset", "Sample", "load_dataset"]
