"""The experiment on unfit images runs in its short form on small drawn sets."""

from __future__ import annotations

from pathlib import Path

from excision.synthetic.dataset import write_synthetic
from tests import nursery

SCRIPT = Path(__file__).parents[2] / "experiments" / "unfit_images.py"


def test_the_experiment_prints_its_tables(tmp_path: Path) -> None:
    sets = ("woven_fabric", "machined_part")
    for name in sets:
        write_synthetic(
            tmp_path / name, size=(64, 64), train=20, test_good=4, per_defect=1, surfaces=[name], seed=1
        )
    printed = nursery.printed(SCRIPT, "--short", *(f"{name}={tmp_path / name}" for name in sets))
    for line in ("| black | 100% | 100% |", "| dark, x 0.3 | 100% | 100% |"):
        assert line in printed
    assert "promised, 90 % confidence" in printed
    assert "| woven_fabric |  | 100% |" in printed
