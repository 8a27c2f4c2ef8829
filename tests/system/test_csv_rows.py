"""Cells of CSV that a spreadsheet would run are defused, and come back as they were."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from excision.system.csv_rows import csv_row, defused, restored

DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH COMMERCIAL AT}")


@pytest.mark.parametrize("start", DANGEROUS)
@pytest.mark.parametrize("before", ["", " ", "\ufeff", "'"])
def test_a_formula_is_shown_and_not_run(start: str, before: str) -> None:
    text = f"{before}{start}cmd|' /C calc'!A0"
    assert defused(text) == f"'{text}"
    assert restored(defused(text)) == text


@pytest.mark.parametrize(
    "value", [-1.5, 0, None, "-1.5", "+3", "-1e-05", "part-1.png", "", "a=b", "'quoted'", "'"]
)
def test_numbers_and_harmless_texts_stay(value: object) -> None:
    (row,) = csv.reader(io.StringIO(csv_row([value, "x"])))
    assert row == ["" if value is None else str(value), "x"]


texts = st.text(st.sampled_from([*DANGEROUS, *"'\" ,;\na1"]), max_size=6) | st.text()


@given(st.lists(texts, min_size=2, max_size=4))
def test_every_text_comes_back(values: list[str]) -> None:
    (row,) = csv.reader(io.StringIO(csv_row(values), newline=""))
    assert [restored(cell) for cell in row] == values
    for cell in row:
        head = cell.lstrip()[:1]
        assert head not in DANGEROUS or not head or _is_number(cell)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
