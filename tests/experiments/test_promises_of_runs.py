"""The table of finished runs says what an evaluation of each says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PIL import Image

from excision import Detector, Settings, load_dataset
from excision.evaluation.evaluate import measure
from tests.conftest import draw_surface

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def test_a_run_is_compared_with_its_promise(
    tmp_path: Path, tiny: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(34):
        place = "train/good" if number < 24 else "test/good" if number < 30 else "test/defect"
        (tmp_path / "parts" / place).mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_surface(number)).save(tmp_path / "parts" / place / f"{number}.png")
    dataset, run, out = load_dataset(tmp_path / "parts"), tmp_path / "parts-3", tmp_path / "out"
    detector = Detector(tiny).fit(dataset, run)
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    import promises_of_runs

    def told(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["promises_of_runs.py", *map(str, words), "--out", str(out)])
        promises_of_runs.main()
        return capsys.readouterr().out

    first = told(dataset.root, run)
    evaluation, kept = measure(detector, dataset), detector.calibration
    fit = [image for image in evaluation.images if image.verdict != "unfit"]
    alarms = sum(image.verdict == "defect" for image in fit if not image.defective)
    good = sum(not image.defective for image in fit)
    begin = f"| parts | 3 | {len(kept.scores)} / {kept.count_groups} | {evaluation.image_auroc:.3f} | "
    begin += f"{evaluation.n_unfit_normal} of 6 | {kept.promised_rate:.1%} | "
    assert begin in first
    assert f"({alarms} of {good})" in first
    scores = (out / "parts-3.csv").read_text()
    assert told() == first == told(dataset.root, run), "nothing is inspected again"
    assert (out / "parts-3.csv").read_text() == scores and len(scores.splitlines()) == 10
    told(dataset.root, run, "--defects", 2, "--rates", 0.2)
    assert "20% wanted" in told()
