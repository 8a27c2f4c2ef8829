"""The short form of the study of recorded sequences."""

from __future__ import annotations

from pathlib import Path

from tests import nursery

SCRIPT = Path(__file__).parents[2] / "experiments" / "drift_sequences.py"
CHANGES = ("light", "focus", "fixture", "new lot")


def test_every_sequence_is_noticed_and_a_line_without_drift_is_not() -> None:
    printed = nursery.printed(SCRIPT, "--short")
    lines = [line.strip("|") for line in printed.splitlines() if "|" in line]
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    quiet = [row for row in rows if row[0] == "none"]
    assert len(quiet) == 2
    # Four streams of 10,000 parts: the probability of three false warnings or more is at most 1 %.
    assert sum(int(number) for row in quiet for number in row[3].split(",")) <= 2
    lots = [row[3] for row in rows if row[0] in ("500", "2000") and row[2] == "lots"]
    assert sum(int(number) for row in lots for number in row.split(",")) == 0
    told = {row[0]: row[1:] for row in rows if row[0] in CHANGES}
    assert len(told) == 4
    assert all(int(parts) <= 600 for row in told.values() for parts in row[0].split(";"))
    assert {kind: set(row[1].split("; ")) for kind, row in told.items()} == {
        "light": {"brightness higher"},
        "focus": {"sharpness of edges lower"},
        "fixture": {"anomaly score of unflagged parts higher"},
        "new lot": {"brightness lower"},
    }


def test_who_expects_lots_is_warned_less_of_them() -> None:
    printed = nursery.printed(SCRIPT.with_name("drift_lots.py"), "--short")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines()[2:]]
    plain, lots = (sum(float(row[3]) for row in rows if row[2] == name) for name in ("default", "lots"))
    assert len(rows) == 4 and lots < plain
