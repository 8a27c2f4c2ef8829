"""Reading JSON files that may be damaged or forged: bounded, strict, and with one kind of error."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any, NoReturn

from excision.errors import ModelError

MOST_BYTES = 16 * 2**20
"""Largest JSON file that is read by default; parsing takes up to some twenty times as much memory."""


def read_bounded(path: Path, most: int) -> bytes:
    """Read a file unless it is larger than `most` bytes.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is too large.
    """
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        # Never `most` itself: Python takes memory for as much as it is asked to read.
        content = stream.read(size + 1) if size <= most else b""
    if size > most or len(content) > most:
        raise ValueError(f"the file is larger than {most} bytes")
    return content


def read_json(path: Path, most: int = MOST_BYTES) -> Any:
    """Read a JSON file; refuses names that occur twice, NaN, infinity, and nesting without end.

    Args:
        path: the file.
        most: largest size in bytes.

    Raises:
        ModelError: the file is missing, too large or damaged.
    """
    try:
        return json.loads(
            read_bounded(path, most).decode("utf-8"),
            object_pairs_hook=_without_doubles,
            parse_constant=_refuse,
            parse_float=_finite,
        )
    except RecursionError as error:
        raise ModelError(f"{path}: cannot be read as JSON: it is nested too deeply") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read as JSON: {error}") from error


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in content if names.count(name) > 1)
        raise ValueError(f"{double[:60]!r} occurs twice")
    return content


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:60]} is too large")
    return number
