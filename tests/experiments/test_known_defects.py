"""The study of known defects runs on a small run and a drawn set, and prints its table."""

from __future__ import annotations

from pathlib import Path

from excision.synthetic.dataset import write_synthetic
from tests import nursery
from tests.cli.conftest import parts as parts  # noqa: PLC0414  a fixture of the command line, used here too
from tests.export.conftest import run as run  # noqa: PLC0414  as above

SCRIPT = Path(__file__).parents[2] / "experiments" / "known_defects.py"


def test_the_study_prints_its_table(run: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    write_synthetic(data, size=(64, 64), train=8, test_good=2, per_defect=3, surfaces=["cast_grain"], seed=1)
    few = ("--without", "crack", "--steps", 2, "--attention")
    nursery.printed(SCRIPT, "score", data, run, out, "--known", 0, 2, *few)
    printed = nursery.printed(SCRIPT, "table", out)
    assert "| data, attention, 2 steps | 2 | known | " in printed
    assert "| data, attention, 2 steps | 2 | unseen | " in printed
    nursery.printed(SCRIPT, "score", data, run, out, "--known", 0, "all", "--unmarked")
    printed = nursery.printed(SCRIPT, "table", out, "--each")
    assert "| data, score | all, image labels | known, none left out | " in printed
