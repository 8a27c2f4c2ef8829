"""Text files made by other programs: bounded, and in whichever Unicode encoding they were saved."""

from __future__ import annotations

import codecs
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from excision.errors import DatasetError

MOST_BYTES = 2**27
"""Larger text files are refused: unpacked, this much JSON takes some gigabytes of memory."""

_MARKS = (
    # That of UTF-32 begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


def encoding_of(start: bytes) -> str:
    """Tell the encoding from the first bytes: from a byte order mark, or from where the zero bytes are."""
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding
    if len(start) >= 2 and b"\0" in start[:2]:
        return "utf-16-be" if start[0] == 0 else "utf-16-le"
    return "utf-8"


def head(path: Path, count: int = 2**16) -> str:
    """Give the beginning of a text file, for telling what it is; empty if it is not a readable text file."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as stream:
            data = stream.read(count)
    except (OSError, ValueError):
        return ""
    try:
        # The last character may be cut.
        return codecs.getincrementaldecoder(encoding_of(data))().decode(data)
    except UnicodeDecodeError:
        return ""


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """Read a file that has to fit into memory.

    Raises:
        DatasetError: it cannot be read, is not a regular file, or is larger than `most` bytes.
    """
    try:
        if path.exists() and not path.is_file():
            # Opening a pipe would wait forever for a writer.
            raise DatasetError(f"{path}: is not a regular file")
        with path.open("rb") as stream:
            data = stream.read(most + 1)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be opened ({error.strerror})") from error
    if len(data) > most:
        raise DatasetError(f"{path}: is larger than {most // 2**20 or 1} MiB; divide it into several files")
    return data


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """Read a text file in UTF-8, UTF-16 or UTF-32, without its byte order mark.

    Raises:
        DatasetError: as `read_bytes`; or it is not text in one of these encodings.
    """
    data = read_bytes(path, most)
    encoding = encoding_of(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path}: is not text in {encoding.upper()}; save it as UTF-8 ({error})"
        ) from error


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DatasetError: as `read_text` and `parse_json`.
    """
    return parse_json(read_text(path), str(path))


def parse_json(text: str, where: str) -> Any:
    """Parse JSON strictly: without NaN and infinity, and without a key that occurs twice in one object.

    Raises:
        DatasetError: the text is not JSON, or is nested too deeply; begins with `where`.
    """
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise DatasetError(f"{where}: the JSON is nested too deeply to be an annotation file") from error
    except MemoryError as error:
        raise DatasetError(f"{where}: there is not enough memory for this JSON; divide the file") from error
    except ValueError as error:
        raise DatasetError(f"{where}: is not valid JSON: {error}") from error


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    pairs = list(pairs)
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f'the key "{twice[:100]}" occurs twice in one object')
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")
