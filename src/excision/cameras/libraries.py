"""Libraries that only some kinds of cameras need."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

from excision.errors import CameraError


def load_library(module: str, kind: str, extra: str) -> Any:
    """Import the library of a kind of camera.

    Raises:
        CameraError: it is not installed; the message says how to install it.
    """
    try:
        with warnings.catch_warnings():
            # A module made by SWIG crashes the process where its deprecation warning is turned into an error.
            warnings.simplefilter("ignore")
            return import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise CameraError(
            f'cameras of the kind {kind} need {name}: pip install "excision[{extra}]" ({error})'
        ) from error
