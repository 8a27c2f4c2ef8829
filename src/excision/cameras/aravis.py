"""Loading Aravis, the GenICam library of Debian, into this Python."""

from __future__ import annotations

import sys
import warnings
from functools import lru_cache
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import Any

from excision.errors import CameraError

_DEBIAN = "/usr/lib/python3/dist-packages"
_MISSING = (
    "cameras of the kind genicam need Aravis and PyGObject, which pip does not bring: on Debian and Ubuntu, "
    "apt-get install gir1.2-aravis-0.8 python3-gi"
)


@lru_cache
def load_aravis() -> Any:
    """Give the module Aravis.

    Of Debian's Python packages `gi` alone is loaded: the folder that holds it holds others as well, which
    would hide those of a virtual environment.

    Raises:
        CameraError: it is not installed, or not for this Python; the message says what to install.
    """
    try:
        gi = _load_gi()
        gi.require_version("Aravis", "0.8")
        with warnings.catch_warnings():
            # PyGObject 3.42 imports in a way that Python has deprecated.
            warnings.simplefilter("ignore")
            from gi.repository import Aravis, GLib  # noqa: F401 - `library_error` gives it without the warning
    except ModuleNotFoundError as error:
        raise CameraError(f"{_MISSING} ({error})") from error
    except ImportError as error:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise CameraError(
            f"{_MISSING}; what is installed cannot be loaded by Python {version} ({error}): use the Python "
            "of the system, or pip install PyGObject"
        ) from error
    except ValueError as error:
        raise CameraError(f"{_MISSING} ({error})") from error
    return Aravis


def library_error() -> type[Exception]:
    """Give the error that Aravis raises."""
    from gi.repository import GLib

    error: type[Exception] = GLib.Error
    return error


def _load_gi() -> Any:
    try:
        import gi
    except ModuleNotFoundError:
        spec = PathFinder.find_spec("gi", [_DEBIAN])
        if spec is None or spec.loader is None:
            raise
        gi = module_from_spec(spec)
        sys.modules["gi"] = gi
        try:
            spec.loader.exec_module(gi)
        except BaseException:
            del sys.modules["gi"]
            raise
    return gi
