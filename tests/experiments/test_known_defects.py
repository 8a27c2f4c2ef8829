"""The study of known defects runs on a small run of a drawn set, and prints its table."""

from __future__ import annotations

from pathlib import Path

from excision import Detector
from excision.settings import (
    AttentionSettings,
    CalibrationSettings,
    RecoverySettings,
    Settings,
    TrainingSettings,
)
from excision.synthetic.dataset import write_synthetic
from tests import nursery

SCRIPT = Path(__file__).parents[2] / "experiments" / "known_defects.py"


def run(*words: object) -> str:
    return nursery.printed(SCRIPT, *words)


def test_the_study_prints_its_table(tmp_path: Path) -> None:
    data, model, out = tmp_path / "data", tmp_path / "run", tmp_path / "out"
    write_synthetic(data, size=(64, 64), train=12, test_good=3, per_defect=3, surfaces=["cast_grain"], seed=1)
    settings = Settings(
        recovery=RecoverySettings(width=4, depth=2),
        attention=AttentionSettings(tuning=2),
        training=TrainingSettings(steps=2),
        calibration=CalibrationSettings(unfit_rate=0.0),
    )
    Detector(settings, device="cpu").fit(data, model)
    run("score", data, model, out, "--known", 0, 2, "--without", "crack", "--steps", 2, "--attention")
    printed = run("table", out)
    assert "| data, attention, 2 steps | 2 | known | " in printed
    assert "| data, attention, 2 steps | 2 | unseen | " in printed
    run("score", data, model, out, "--known", 0, "all", "--unmarked")
    assert "| data, score | all, image labels | known, none left out | " in run("table", out, "--each")
