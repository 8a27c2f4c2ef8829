"""One image of a manifest: where it lies, and what is known about it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

from excision.errors import DatasetError

MOST_TEXT = 8192
"""Characters of a URI, a group or a serial number; what is longer is none."""

_FILE = "file://"


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of a manifest.

    Attributes:
        uri: path or URL of the file that holds the image; `FILE#NAME` names an image within a file.
        group: which images show the same part, strip or moment; None if unknown.
        serial: serial number of the part; None if unknown.
        offset: byte at which the image begins in its file; None if the image is the whole file.
        size: bytes of the image; None if unknown.
        fault: why the row of the manifest names no image; None if it does.
    """

    uri: str
    group: str | None = None
    serial: str | None = None
    offset: int | None = None
    size: int | None = None
    fault: str | None = None

    @property
    def file(self) -> str:
        """The file that holds the image."""
        return self.uri if self.offset is None else self.uri.rpartition("#")[0]


def read_entry(row: Mapping[str, Any], manifest: str, number: int) -> Entry:
    """Read a row of a manifest. A relative path is one from the folder of the manifest.

    Args:
        row: values by column; columns of other names are ignored.
        manifest: path or URL of the manifest.
        number: of the row, from 1 on.

    Raises:
        DatasetError: the row has no URI, or a value of another type.
    """
    where, uri = f"{manifest}, row {number}", row.get("uri")
    if not isinstance(uri, str) or not uri:
        raise DatasetError(f"{where}: the column `uri` holds no path or URL")
    offset, size = (_count(row.get(name), name, where) for name in ("offset", "size"))
    if offset is not None and (size is None or "#" not in uri):
        raise DatasetError(f"{where}: a row with `offset` needs `size`, and a `uri` of the form FILE#NAME")
    texts = uri, *(_text(row.get(name)) for name in ("group", "serial"))
    if any(len(text) > MOST_TEXT for text in texts if text is not None):
        raise DatasetError(f"{where}: a text has more than {MOST_TEXT} characters")
    try:
        os.fsencode(uri)
    except UnicodeEncodeError as error:
        raise DatasetError(f"{where}: the column `uri` holds characters that no file name has") from error
    if not is_url(uri) and not Path(uri).is_absolute():
        folder = manifest.rpartition("/")[0] if is_url(manifest) else Path(manifest).absolute().parent
        uri = f"{folder}/{uri}"
    return Entry(uri, texts[1], texts[2], offset, size)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _count(value: object, name: str, where: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise DatasetError(f"{where}: the column `{name}` holds {value!r}, not a number of bytes")
    return value


def uri_of(path: Path) -> str:
    """Give the text that names a local file: its absolute path, as a file URL if that is not valid text."""
    text = os.path.abspath(path)  # noqa: PTH100  links stay as they are named
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return _FILE + quote_from_bytes(os.fsencode(text))
    return text


def local_path(uri: str) -> Path | None:
    """Give the local file that a path or a file URL names; None of any other URL."""
    if uri.startswith(_FILE):
        return Path(os.fsdecode(unquote_to_bytes(uri.removeprefix(_FILE).removeprefix("localhost"))))
    return None if is_url(uri) else Path(uri)


def bare(url: str) -> str:
    """Give the URL of a file on a web server without what follows its path; any other text as it is."""
    return url.partition("#")[0].partition("?")[0] if url.startswith(("http://", "https://")) else url


def is_url(word: str) -> bool:
    """Tell whether a word is a URL rather than a path: a scheme of two letters or more, and `://`."""
    scheme, colon, _ = word.partition("://")
    return bool(colon) and len(scheme) > 1 and scheme.replace("+", "").replace("-", "").isalnum()
