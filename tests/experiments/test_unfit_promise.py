"""The simulation of unfit images runs in its short form."""

from __future__ import annotations

from pathlib import Path

from tests import nursery

SCRIPT = Path(__file__).parents[2] / "experiments" / "unfit_promise.py"


def test_the_simulation_prints_a_row_for_each_case() -> None:
    printed = nursery.printed(SCRIPT, "--draws", "1", "--limit", "5")
    rows = [line.split("|")[1:-1] for line in printed.splitlines()[2:]]
    assert len(rows) == 9
    for _, _, promised, fixed, widened, _ in rows:
        assert 0 < float(promised.strip(" %")) < 100
        assert float(widened.strip(" %")) <= float(fixed.strip(" %"))
