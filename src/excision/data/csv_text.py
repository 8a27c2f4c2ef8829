"""Tables as spreadsheets and scripts write them: encoding, separator and header are found out."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from excision.data.text import encoding_of, read_bytes
from excision.errors import DatasetError

if TYPE_CHECKING:
    from _csv import Reader

_SEPARATORS = ",;\t|"
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?,*$', re.IGNORECASE)
"""The first line that Excel writes and obeys."""

_SNIFFED = 2**14


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the number of its last line in the file, and the value of every known column."""

    line: int
    values: dict[str, str]


class Table:
    """The text of a CSV file.

    Attributes:
        path: the file.
        legacy: True if it is no Unicode, so that it was read as Windows-1252, the encoding of old programs.
        columns: names of the known columns that the header has.
        header: the header as it stands in the file.

    Args:
        path: CSV file.
        names: known columns, each with the headings that it may have, in lower case, the best first.
        required: columns that the separator is chosen by.
        data: the bytes of the file, if only its beginning is to be looked at.

    Raises:
        DatasetError: the file cannot be read, or is not text.
    """

    def __init__(
        self,
        path: Path,
        names: Mapping[str, Sequence[str]],
        required: frozenset[str],
        data: bytes | None = None,
    ) -> None:
        self.path = path
        text, self.legacy = _decode(path, read_bytes(path) if data is None else data)
        body, self._skipped, stated = _without_preamble(text)
        self._body = body
        readings = [_Header(body, separator, names) for separator in stated or _separators(body)]
        chosen = next((reading for reading in readings if reading.places.keys() >= required), readings[0])
        self._reading = chosen
        self.header, self.columns = chosen.cells, frozenset(chosen.places)

    def rows(self) -> Iterator[Row]:
        """Give the rows that are neither empty nor comments.

        Raises:
            DatasetError: a row has more values than the header has columns, or a quotation mark is open.
        """
        reader = self._reading.reader(self._body)
        try:
            next(reader, None)
            for cells in reader:
                line = self._skipped + reader.line_num
                stripped = [cell.strip() for cell in cells]
                if not any(stripped) or (stripped[0].startswith("#") and not any(stripped[1:])):
                    continue
                if any(stripped[len(self.header) :]):
                    counts = f"{len(stripped)} values for {len(self.header)} columns"
                    raise DatasetError(
                        f"{self.path}, line {line}: has {counts}; a value with the separator in it needs "
                        "quotation marks"
                    )
                stripped += [""] * (len(self.header) - len(stripped))
                yield Row(line, {name: stripped[place] for name, place in self._reading.places.items()})
        except csv.Error as error:
            where = f"{self.path}, line {self._skipped + reader.line_num}"
            raise DatasetError(f"{where}: cannot be read as CSV: {error}") from error


class _Header:
    """The first row, read with one separator."""

    def __init__(self, body: str, separator: str, names: Mapping[str, Sequence[str]]) -> None:
        self.separator = separator
        self.quote = '"'
        self.cells = self._first(body)
        if self.cells and all(len(cell) > 1 and cell[0] == cell[-1] == "'" for cell in self.cells):
            self.quote = "'"
            self.cells = self._first(body)
        plain = [cell.lower() for cell in self.cells]
        self.places = {
            name: next(plain.index(heading) for heading in headings if heading in plain)
            for name, headings in names.items()
            if any(heading in plain for heading in headings)
        }

    def reader(self, body: str) -> Reader:
        """Read the text from its beginning; every kind of line end counts."""
        stream = io.StringIO(body, newline="")
        return csv.reader(
            stream, delimiter=self.separator, quotechar=self.quote, skipinitialspace=True, strict=True
        )

    def _first(self, body: str) -> list[str]:
        try:
            cells: list[str] = next(self.reader(body), [])
        except csv.Error:
            return []
        found = [cell.strip() for cell in cells]
        while found and not found[-1]:
            found.pop()
        return found


def _decode(path: Path, data: bytes) -> tuple[str, bool]:
    encoding = encoding_of(data)
    try:
        return data.decode(encoding), False
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise DatasetError(f"{path}: is damaged text in {encoding.upper()}; save it as UTF-8") from error
    try:
        return data.decode("cp1252"), True
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: is not text in UTF-8; save it as CSV UTF-8 ({error})") from error


def _without_preamble(text: str) -> tuple[str, int, str]:
    """Take off empty lines, comments and `sep=;` before the header.

    Returns:
        The rest, the number of lines taken off, and the stated separator, which may be empty.
    """
    stated, start, skipped = "", 0, 0
    for line in io.StringIO(text, newline=""):
        plain = line.strip("\r\n \ufeff")
        match = _SEPARATOR_LINE.match(plain)
        if match is not None and not stated:
            stated = match[1]
        elif plain.strip(_SEPARATORS) and not plain.startswith("#"):
            break
        start, skipped = start + len(line), skipped + 1
    return text[start:], skipped, stated


def _separators(body: str) -> list[str]:
    """Give the separators to try, that which the values suggest first."""
    try:
        guess = csv.Sniffer().sniff(body[:_SNIFFED], _SEPARATORS).delimiter
    except csv.Error:
        guess = ","
    return sorted(_SEPARATORS, key=lambda separator: separator != guess)
