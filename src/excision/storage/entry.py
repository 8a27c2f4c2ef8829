"""One image of a manifest: where it lies, and what is known about it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

from excision.errors import DatasetError

MOST_TEXT = 8192
"""Characters of a URI, a group or a serial number; what is longer is none."""

_FILE = "file://"

NOT_LOCAL = "this must be a local path, not a URL: copy it to this machine"
"""What is wrong with a URL where it cannot be taken."""

# A path has one slash where the URL had two.
_PATH_OF_URL = re.compile(r"[A-Za-z][A-Za-z0-9+-]+:/[^/]")


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of a manifest.

    Attributes:
        uri: path or URL of the file that holds the image; `FILE#NAME` names an image within a file.
        group: which images show the same part, strip or moment; None if unknown.
        serial: serial number of the part; None if unknown.
        offset: byte at which the image begins in its file; None if the image is the whole file.
        size: bytes of the image; None if unknown.
        table: path or URL of the Parquet table that holds the image; then `uri` only names it.
        row: of the image in that table, from 0 on; None if the image is in no table.
        fault: why the row of the manifest names no image; None if it does.
    """

    uri: str
    group: str | None = None
    serial: str | None = None
    offset: int | None = None
    size: int | None = None
    table: str | None = None
    row: int | None = None
    fault: str | None = None

    @property
    def file(self) -> str:
        """The file that holds the image."""
        if self.table is not None:
            return self.table
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
    group, serial, table = (_text(row.get(name), where) for name in ("group", "serial", "table"))
    _text(uri, where)
    place = _count(row.get("row"), "row", where)
    if (place is None) != (table is None):
        raise DatasetError(f"{where}: an image in a table needs both `table` and `row`")
    if table is not None:
        return Entry(uri, group, serial, table=_from(manifest, table, "table", where), row=place)
    return Entry(_from(manifest, uri, "uri", where), group, serial, offset, size)


def row_entry(row: Mapping[str, Any], table: str, number: int) -> Entry:
    """Read a row of a table that holds the images themselves.

    Args:
        row: values by column; `uri` names the image, by default by the table and the number of the row.
        table: path or URL of the table.
        number: of the row, from 0 on.

    Raises:
        DatasetError: a text is too long.
    """
    where = f"{table}, row {number}"
    uri, group, serial = (_text(row.get(name), where) for name in ("uri", "group", "serial"))
    return Entry(uri or f"{table}#{number}", group, serial, table=table, row=number)


def _from(manifest: str, place: str, column: str, where: str) -> str:
    """Give a path or URL that is not relative to the folder of the manifest."""
    try:
        os.fsencode(place)
    except UnicodeEncodeError as error:
        raise DatasetError(
            f"{where}: the column `{column}` holds characters that no file name has"
        ) from error
    if is_url(place) or Path(place).is_absolute():
        return place
    folder = bare(manifest).rpartition("/")[0] if is_url(manifest) else Path(manifest).absolute().parent
    return f"{folder}/{place}"


def _text(value: object, where: str) -> str | None:
    if value is None:
        return None
    if len(text := str(value)) > MOST_TEXT:
        raise DatasetError(f"{where}: a text has more than {MOST_TEXT} characters")
    return text


def _count(value: object, name: str, where: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise DatasetError(f"{where}: the column `{name}` holds {value!r}, not a number of bytes or a row")
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


def url_of(path: Path) -> str | None:
    """Give the URL that a path was made of by mistake, such as `s3:/a/b`; None of a path that is one."""
    text = str(path)
    if not _PATH_OF_URL.match(text):
        return None
    # The path of a file URL begins with the slash that the root has.
    return text.replace(":/", ":///" if text.lower().startswith("file:") else "://", 1)


def is_url(word: str) -> bool:
    """Tell whether a word is a URL rather than a path: a scheme of two letters or more, and `://`."""
    scheme, colon, _ = word.partition("://")
    return bool(colon) and len(scheme) > 1 and scheme.replace("+", "").replace("-", "").isalnum()
