"""Rows of CSV that a spreadsheet shows and never runs.

A spreadsheet takes a cell for a formula if it begins with one of `= + - @`, also in their full-width forms,
or with a tab or a line end before them. A text like that, such as a file name, gets an apostrophe in front,
which spreadsheets take for "this is text". Numbers stay as they are.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from typing import Any

# The signs, and the same in full width, small, and as the minus of mathematics.
_SIGNS = "=+@\\-\uff1d\uff0b\uff20\uff0d\ufe66\ufe62\ufe6b\ufe63\u2212"
_FORMULA = re.compile(f"'*[\\s\ufeff]*[{_SIGNS}\t\r\n]")


def csv_row(values: Iterable[Any]) -> str:
    """Give a line of CSV with its end; texts that a spreadsheet would run are defused."""
    text = io.StringIO()
    # Both characters of the end, so that a text with either of them is quoted.
    csv.writer(text, lineterminator="\r\n").writerow(
        [defused(value) if isinstance(value, str) else value for value in values]
    )
    return text.getvalue().removesuffix("\r\n") + "\n"


def defused(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would run; one that is a number stays."""
    return f"'{text}" if _FORMULA.match(text) and not _is_number(text) else text


def restored(cell: str) -> str:
    """Give the text that `defused` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()
