"""The experiment on near-copies runs in its short form, and finds the copies of drawn surfaces."""

from __future__ import annotations

from pathlib import Path

from tests import nursery

SCRIPT = Path(__file__).parents[2] / "experiments" / "near_copies.py"


def test_copies_of_drawn_surfaces_are_nearest_to_their_originals() -> None:
    printed = nursery.printed(SCRIPT, "--synthetic", "--images", "8")
    rows = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in printed.splitlines()[2:]}
    assert len(rows) == 4
    for name, cells in rows.items():
        median, _, largest, alike, _, found, least = (cell.strip() for cell in cells[1:])
        assert alike == "0" and found == "100%", name
        assert float(median) <= float(largest) < float(least), name
