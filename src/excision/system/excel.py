"""Tables as Excel workbooks, in which nothing is a formula."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from excision.errors import SettingsError
from excision.system.files import atomic_path

if TYPE_CHECKING:
    from xlsxwriter.format import Format
    from xlsxwriter.workbook import Workbook
    from xlsxwriter.worksheet import Worksheet

ROWS_IN_A_SHEET = 1_048_575
"""Below the head; a larger table goes on in further sheets."""

_LONGEST = 32_767  # characters of a cell
_CUT = " … (cut)"
_LARGEST_WHOLE = 2**53  # a cell holds no larger whole number exactly


def need_xlsxwriter() -> None:
    """Check before any long work that Excel workbooks can be written.

    Raises:
        SettingsError: xlsxwriter is missing.
    """
    from importlib.util import find_spec

    if find_spec("xlsxwriter") is None:
        raise SettingsError('Excel needs xlsxwriter; install it with: pip install "excision[excel]"')


def write_excel(path: Path, columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows to a workbook, atomically; memory stays flat.

    Args:
        path: file to write.
        columns: names, each with "time" for seconds since 1970, which are written as dates in UTC; any other
            kind is written as what it is: a text as text, whatever it begins with, and a number as a number.
            A number that is not finite, or too large to be exact, is written as text.
        rows: values by name.

    Returns:
        The number of rows.

    Raises:
        SettingsError: xlsxwriter is missing.
    """
    need_xlsxwriter()
    import xlsxwriter

    count = 0
    with atomic_path(path) as temporary:
        book = xlsxwriter.Workbook(
            str(temporary),
            {
                "constant_memory": True,
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "in_memory": False,
            },
        )
        try:
            moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
            sheet, place = _new_sheet(book, columns), 0
            for row in rows:
                if place == ROWS_IN_A_SHEET:
                    sheet, place = _new_sheet(book, columns), 0
                place += 1
                count += 1
                for column, (name, kind) in enumerate(columns.items()):
                    _write(sheet, place, column, row[name], kind, moment)
        finally:
            book.close()
    return count


def _new_sheet(book: Workbook, columns: Mapping[str, str]) -> Worksheet:
    sheet = book.add_worksheet()
    sheet.freeze_panes(1, 0)
    for column, (name, kind) in enumerate(columns.items()):
        sheet.write_string(0, column, f"{name} (UTC)" if kind == "time" else name)
    return sheet


def _write(sheet: Worksheet, row: int, column: int, value: Any, kind: str, moment: Format) -> None:
    if value is None:
        return
    if isinstance(value, bool):
        sheet.write_boolean(row, column, value)
    elif kind == "time" and 0 <= value < 250_000_000_000:
        known = datetime.datetime.fromtimestamp(value, datetime.UTC).replace(tzinfo=None)
        sheet.write_datetime(row, column, known, moment)
    elif isinstance(value, int | float) and math.isfinite(value) and abs(value) <= _LARGEST_WHOLE:
        sheet.write_number(row, column, value)
    else:
        # The odd bytes of a name of a file are no text that XML could hold.
        text = str(value).encode("utf-8", "backslashreplace").decode("utf-8")
        text = text if len(text) <= _LONGEST else text[: _LONGEST - len(_CUT)] + _CUT
        sheet.write_string(row, column, text)
