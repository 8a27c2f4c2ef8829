"""Templates of file names are read in every way there is, and never in one that was only guessed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from excision.errors import SettingsError
from excision.station.hot_folder.names import NamePattern
from excision.station.store.records import Origin


def read(pattern: str, path: str, *views: str) -> Any:
    named = NamePattern(pattern, views).read(path)
    return named.fault or named.origin


@pytest.mark.parametrize(
    ("pattern", "path", "origin"),
    [
        ("{serial}_{view}", "A-1_top.png", Origin("A-1", view="top")),
        ("{serial}_{view}.png", "deep/down/A-1_top.PNG", Origin("A-1", view="top")),
        ("{lot}/{serial}_{view}.*", "x/7/A.1_top.tif", Origin("A.1", "7", view="top")),
        ("{view}/{serial}", "top/A_1.jpg", Origin("A_1", view="top")),
        ("cam{view}_{serial}_*", "camtop_A-1_20260930T101500.png", Origin("A-1", view="top")),
        ("{recipe}-{serial}.bmp", "m6-4711.bmp", Origin("4711", recipe="m6")),
        ("*{serial}", "4711.png", None),  # any number of characters, so of seven ways none is certain
    ],
)
def test_what_templates_read(pattern: str, path: str, origin: Origin | None) -> None:
    if origin is None:
        with pytest.raises(SettingsError, match="nothing stands before"):
            NamePattern(pattern)
    else:
        assert read(pattern, path) == origin


def test_two_ways_are_said_and_the_views_decide() -> None:
    assert re.search(
        r"as serial A, view 1_top or serial A_1, view top, so", read("{serial}_{view}", "A_1_top.png")
    )
    assert read("{serial}_{view}", "A_1_top.png", "top", "side") == Origin("A_1", view="top")
    for path in ("A_1_front.png", "A.png", "_top.png", "A_top.tif"):
        assert "does not fit" in read("{serial}_{view}.png", path, "top", "side")


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("{serial}{view}", "before {view}"),
        ("{serial}_{view}_{serial}", "twice"),
        ("{serial}_{side}", "{side} is unknown; there are {serial}, {lot}, {recipe}, {view}"),
        ("{serial_{view}", "no counterpart"),
        ("part_*.png", "no group"),
    ],
)
def test_ambiguous_templates_are_refused(pattern: str, why: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(why)):
        NamePattern(pattern)


@given(st.text("ab_", min_size=1, max_size=8))
def test_ways_are_those_that_every_split_gives(stem: str) -> None:
    """Compared with cutting the name at each "_"."""
    ways = [(stem[:at], stem[at + 1 :]) for at, letter in enumerate(stem) if letter == "_"]
    ways = [(serial, view) for serial, view in ways if serial and view]
    found = read("{serial}_{view}", f"{stem}.png")
    if len(ways) == 1:
        assert found == Origin(ways[0][0], view=ways[0][1])
    else:
        assert ("does not fit" if not ways else "neither") in found
