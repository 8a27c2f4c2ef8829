"""The study of the warm start runs on a small run of a drawn set, and prints its table."""

from __future__ import annotations

from pathlib import Path

from tests import nursery
from tests.cli.conftest import parts as parts  # noqa: PLC0414  a fixture of the command line, used here too
from tests.export.conftest import run as run  # noqa: PLC0414  as above

SCRIPT = Path(__file__).parents[2] / "experiments" / "warm_start.py"


def test_the_study_prints_its_table(run: Path, parts: Path, tmp_path: Path) -> None:
    nursery.printed(SCRIPT, parts, run, tmp_path, "--steps", 2, "--tuning", 1)
    nursery.printed(SCRIPT, parts, run, tmp_path, "--arm", "nothing")
    printed = nursery.printed(SCRIPT, "--table", tmp_path)
    assert "| fabric | nothing | 1 | " in printed and "| fabric | warm 2/1/0.001 | 1 | " in printed
