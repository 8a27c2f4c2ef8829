"""Reading a TOML file that a person wrote."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from excision.errors import SettingsError
from excision.system.strict_json import read_bounded


def read_toml(path: Path, most: int, what: str = "TOML") -> dict[str, Any]:
    """Read a TOML file unless it is larger than `most` bytes.

    Args:
        path: of the file.
        most: bytes.
        what: it is to be, for the error.

    Raises:
        SettingsError: it cannot be opened, is larger, or is not TOML.
    """
    try:
        return tomllib.loads(read_bounded(path, most).decode("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be opened ({error.strerror})") from error
    except RecursionError as error:
        raise SettingsError(f"{path}: cannot be read as {what}: nested too deeply") from error
    except ValueError as error:
        raise SettingsError(f"{path}: cannot be read as {what}: {error}") from error
