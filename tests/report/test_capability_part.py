"""The report of an evaluation shows which defects are found, beside the false-alarm promise."""

from __future__ import annotations

from pathlib import Path

from excision.method.folder_kinds import CAPABILITY
from excision.report.report import write_report
from tests.capability.samples import sample
from tests.report.results import Page, evaluated


def test_answers_stand_on_the_cover_and_curves_in_a_part(tmp_path: Path) -> None:
    _, folder = evaluated(tmp_path, good=6, per_kind=2)
    before = Page(folder / "report.html")
    assert "Requirement" not in before.text
    sample(tmp_path).save(folder / CAPABILITY)
    page = Page(write_report(folder))
    assert "Not everywhere: fewer than 90 % of defects like" in page.text
    assert "the figures no longer hold" in page.text
    assert page.source.count('class="chart"') == before.source.count('class="chart"') + 2
    assert page.source.count('src="data:image/png') == 2
    assert len(page.tables["sizes"]) == 5
    assert "Drawn defects are not real ones" in page.text
