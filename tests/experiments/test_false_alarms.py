"""Draws of calibrations are judged rightly, and the short form of the study runs from images to tables."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests import nursery
from tests.conftest import draw_surface

if TYPE_CHECKING:
    import calibration_draws

SHORT = ("--steps", 1, "--tuning", 1, "--draws", 2)
EXPERIMENTS = Path(__file__).parents[2] / "experiments"


@pytest.fixture
def draws(monkeypatch: pytest.MonkeyPatch) -> object:
    """The module of the study, whose folder is not a package."""
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    import calibration_draws

    return calibration_draws


def scores_of(values: np.ndarray, groups: np.ndarray) -> calibration_draws.Scores:
    import calibration_draws

    return calibration_draws.Scores(values, groups.astype(np.int64), np.array([9.0, 10.0]))


@pytest.mark.usefixtures("draws")
@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_the_intraclass_correlation_is_the_share_that_groups_explain(share: float) -> None:
    import calibration_draws

    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(600), rng.integers(1, 9, 600))
    values = rng.normal(0, share**0.5, 600)[groups] + rng.normal(0, (1 - share) ** 0.5, len(groups))
    assert calibration_draws.intraclass(scores_of(np.exp(values), groups)) == pytest.approx(share, abs=0.05)


@pytest.mark.usefixtures("draws")
def test_groups_of_one_image_have_no_intraclass_correlation() -> None:
    import calibration_draws

    assert math.isnan(calibration_draws.intraclass(scores_of(np.arange(5.0), np.arange(5))))


@pytest.mark.usefixtures("draws")
def test_neighbours_that_drift_are_correlated() -> None:
    import calibration_draws

    walk = np.random.default_rng(2).normal(size=400).cumsum()
    assert calibration_draws.neighbours(scores_of(walk, np.arange(400))) > 0.9


@pytest.mark.usefixtures("draws")
def test_calibrations_take_whole_groups() -> None:
    import calibration_draws

    groups = np.repeat(np.arange(20), 3)
    marked = calibration_draws.choose_groups(groups, 10, np.random.default_rng(3))
    assert marked.sum() == 12
    assert set(groups[marked]).isdisjoint(groups[~marked])
    in_a_row = calibration_draws.choose_groups(groups, 10, np.random.default_rng(3), in_a_row=True)
    assert in_a_row.sum() == 12
    assert (np.diff(np.flatnonzero(in_a_row)) == 1).sum() >= 10


@pytest.mark.usefixtures("draws")
def test_the_average_threshold_is_exceeded_as_promised_on_average() -> None:
    import calibration_draws

    rng = np.random.default_rng(4)
    found = [calibration_draws.average_threshold(rng.random(39), 0.1) for _ in range(4000)]
    assert {promised for _, promised in found} == {0.1}
    assert np.mean([1 - threshold for threshold, _ in found]) == pytest.approx(0.1, abs=0.003)


@pytest.mark.usefixtures("draws")
def test_kept_promises_are_seen_to_be_kept() -> None:
    """Of independent scores, with 4000 others that tell the true rate."""
    import calibration_draws

    values = np.random.default_rng(5).random(4080)
    scores = scores_of(values, np.arange(len(values)))
    verdicts = calibration_draws.draw_calibrations(scores, 80, 100, 0.05, 0.9)
    broken = sum(verdict.broken for verdict in verdicts)
    assert broken <= calibration_draws.most_broken(100, 0.9)
    assert sum(verdict.average_broken for verdict in verdicts) > 2 * broken
    assert {verdict.detected for verdict in verdicts} == {1.0}


def test_the_short_form_goes_from_images_to_tables(tmp_path: Path) -> None:
    data = tmp_path / "parts"
    for number in range(60):
        folder = data / ("defect" if number % 20 == 19 else "good")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_surface(number)).save(folder / f"{number:02d}.png")
    out = tmp_path / "out"
    told = short_form("fixed", data, out)
    assert "| parts | " in told
    cells = sorted(out.glob("parts/fixed/rate-*.json"))
    facts = json.loads(cells[0].read_text())
    assert len(facts["verdicts"]) == 2
    assert facts["good"] > facts["verdicts"][0]["images"] >= 20

    # A kill may cut off the last line of the scores, and lose a cell.
    scores = out / "parts" / "fixed" / "scores.csv"
    whole, cell = scores.read_text(), cells[0].read_bytes()
    scores.write_text(whole[:-20])
    cells[0].unlink()
    assert short_form("fixed", data, out).partition("\n\nfixed")[2] == told.partition("\n\nfixed")[2]
    assert (scores.read_text(), cells[0].read_bytes()) == (whole, cell)


def short_form(form: str, data: Path, out: Path) -> str:
    return nursery.printed(EXPERIMENTS / "false_alarms.py", form, data, "--out", out, *SHORT)
