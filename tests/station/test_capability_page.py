"""The page of models shows what a model is sure to find, and the report of an evaluation does, too."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from excision.inspection.fingerprint import fingerprint
from excision.method.folder_kinds import CAPABILITY
from excision.report.capability_page import keep_capability, kept_content, write_capability_report
from excision.runtime.inspector import Inspector
from tests.browser import bars_nobody, opened
from tests.capability.samples import sample
from tests.station.conftest import Service, begin, end

OLD = Path(__file__).parents[1] / "compatibility" / "format_1" / "exported"


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder that holds the result of a study."""
    folder = Path(shutil.copytree(OLD, tmp_path_factory.mktemp("model") / "line"))
    before = fingerprint(folder)
    sample(folder, Inspector(folder).threshold).save(folder / CAPABILITY)
    assert fingerprint(folder) == before
    return folder


@pytest.fixture(scope="module")
def station(known: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    found = begin(known, tmp_path_factory.mktemp("station") / "data")
    yield found
    end(found)


def test_maps_are_shown(browser: Any, station: Service) -> None:
    with opened(browser, f"{station.url}/models") as page:
        card = page.locator(".capability")
        card.scroll_into_view_if_needed()
        pictures = card.locator("img")
        assert pictures.count() == 2
        for number in range(2):
            assert pictures.nth(number).evaluate("image => image.complete && image.naturalWidth") == 90
        assert "Weakest at the lower right" in (pictures.first.get_attribute("alt") or "")
        assert "lower right (0 of 40)" in card.inner_text()
        assert "Drawn defects are not real ones" in card.inner_text()
        bars_nobody(page)


def test_other_maps_there_are_none(station: Service) -> None:
    for path in ("crack.png", "..%2f..%2fmodel.json.png", "pit.tiff"):
        assert station.ask("GET", f"/models/line/capability/{path}")[0] == 404
    assert station.ask("GET", "/models/other/capability/pit.png")[0] == 404


def test_a_damaged_result_is_named_and_the_page_stays(station: Service, known: Path) -> None:
    whole = (known / CAPABILITY).read_bytes()
    try:
        for damage in (b"{", whole.replace(b'"model_id": "', b'"model_id": "0')):
            (known / CAPABILITY).write_bytes(damage)
            status, _, page = station.ask("GET", "/models")
            assert status == 200
            assert b"capability.json" in page
            assert station.ask("GET", "/models/line/capability/pit.png")[0] == 404
    finally:
        (known / CAPABILITY).write_bytes(whole)


def test_reports_show_it_and_say_when_the_threshold_has_changed(
    browser: Any, known: Path, tmp_path: Path
) -> None:
    threshold = Inspector(known).threshold
    assert keep_capability(known, threshold, tmp_path) is None
    content = kept_content(tmp_path, threshold)
    assert content is not None
    assert content["notes"] == ["A note."]
    changed = kept_content(tmp_path, 2 * threshold)
    assert changed is not None
    assert "the figures no longer hold" in changed["notes"][0]
    assert keep_capability(known, None, tmp_path) is None
    assert kept_content(tmp_path, threshold) is None
    page_file = write_capability_report(tmp_path, sample(known))
    with opened(browser, page_file.as_uri()) as page:
        bars_nobody(page)
        assert page.locator("svg.chart").count() == 2
        assert "not everywhere" in page.locator(".requirement").inner_text()
