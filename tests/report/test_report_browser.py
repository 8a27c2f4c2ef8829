"""The report in a real browser: sorting, filtering, pages, themes and paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from excision.evaluation.evaluation import Evaluation
from tests.browser import opened
from tests.report.results import evaluated

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

Results = tuple[Evaluation, Path]

IMAGES = "#images tbody tr"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """An evaluation of 72 images: two pages of the table."""
    return evaluated(tmp_path_factory.mktemp("browser"), good=60)


@pytest.fixture
def page(browser: Browser, results: Results) -> Iterator[Page]:
    with opened(browser, (results[1] / "report.html").as_uri()) as page:
        yield page


def scores(page: Page) -> list[float]:
    script = "rows => rows.map(row => Number(row.cells[4].dataset.key))"
    found: list[float] = page.eval_on_selector_all(IMAGES, script)
    return found


def head(page: Page, name: str) -> Locator:
    return page.locator("#images th", has=page.get_by_role("button", name=name))


def test_a_click_sorts_and_a_second_turns_it_round(page: Page, results: Results) -> None:
    wanted = sorted(image.score for image in results[0].images)
    assert scores(page) != wanted
    page.locator("#images th button", has_text="Score").click()
    assert scores(page) == wanted
    assert head(page, "Score").get_attribute("aria-sort") == "ascending"
    page.locator("#images th button", has_text="Score").click()
    assert scores(page) == wanted[::-1]
    assert head(page, "Score").get_attribute("aria-sort") == "descending"
    page.locator("#images th button", has_text="Image").click()
    assert head(page, "Score").get_attribute("aria-sort") == "none"


def test_the_keyboard_sorts(page: Page, results: Results) -> None:
    button = page.locator("#images th button", has_text="Score")
    for key in ("Enter", "Space"):
        button.focus()
        page.keyboard.press(key)
    assert scores(page) == sorted((image.score for image in results[0].images), reverse=True)


def test_small_tables_are_sorted_by_number(page: Page) -> None:
    table = page.locator("#thresholds-table")
    column = "rows => rows.map(r => Number(r.cells[3].dataset.key))"
    table.locator("th button", has_text="Found").click()
    found = page.eval_on_selector_all("#thresholds-table tbody tr", column)
    assert found == sorted(found)
    assert len(set(found)) > 1


def test_pages_and_filters_reach_every_image(page: Page, results: Results) -> None:
    shown = page.locator(f"{IMAGES}:visible")
    names = set(shown.locator("td:first-child").all_inner_texts())
    assert len(names) == 50
    page.get_by_role("button", name="Next").click()
    names |= set(shown.locator("td:first-child").all_inner_texts())
    assert names == {image.name for image in results[0].images}
    assert page.get_by_role("button", name="Next").is_disabled()
    missed = [i.name for i in results[0].images if i.outcome == "missed defect"]
    page.get_by_label("Result").select_option("missed defect")
    assert shown.locator("td:first-child").all_inner_texts() == missed
    assert page.get_by_role("status").inner_text() == f"{len(missed)} of 72 images match"
    page.get_by_label("Result").select_option("")
    page.locator("[data-control=label]").select_option("pit")
    page.get_by_label("Name contains").fill("PIT/00")
    assert shown.count() == 6


def test_pictures_are_shown_on_demand_and_are_there(page: Page) -> None:
    assert page.locator("#images img").count() == 0
    page.get_by_label("Show pictures").check()
    images = page.locator("#images img")
    assert images.count() == 50
    for number in (0, 49):
        images.nth(number).scroll_into_view_if_needed()
        page.wait_for_function(
            "place => document.querySelectorAll('#images img')[place].complete", arg=number
        )
        assert images.nth(number).evaluate("image => image.naturalWidth") == 24
    page.get_by_label("Show pictures").uncheck()
    assert images.count() == 0


def test_the_page_asks_for_nothing_but_itself(browser: Browser, results: Results) -> None:
    asked: list[str] = []
    with opened(browser, "about:blank") as page:
        page.on("request", lambda request: asked.append(request.url))
        url = (results[1] / "report.html").as_uri()
        page.goto(url)
        page.wait_for_load_state("networkidle")
    assert [address for address in asked if not address.startswith("data:")] == [url]


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_sticks_out_of_the_window(browser: Browser, results: Results, width: int) -> None:
    with opened(browser, (results[1] / "report.html").as_uri(), width=width) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_themes_follow_the_system_and_the_button(browser: Browser, results: Results) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    colours: dict[str, str] = {}
    chosen: dict[tuple[str, str], str] = {}
    for scheme in ("light", "dark"):
        with opened(browser, (results[1] / "report.html").as_uri(), scheme=scheme) as page:
            colours[scheme] = page.evaluate(ground)
            for theme in ("light", "dark"):
                page.get_by_role("button", name="Theme").click()
                chosen[scheme, theme] = page.evaluate(ground)
    assert colours["light"] != colours["dark"]
    for scheme in ("light", "dark"):
        assert chosen["light", scheme] == chosen["dark", scheme] == colours[scheme]


def test_paper_shows_every_row_and_no_control(page: Page) -> None:
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(f"{IMAGES}:visible").count() == 72
    assert page.locator("button:visible, input:visible, select:visible, nav:visible").count() == 0
    assert page.locator("#scores-table tbody tr:visible").count() > 1
    assert page.locator("#images th").first.inner_text() == "Image"
    assert page.evaluate("getComputedStyle(document.querySelector('#images thead')).display") == (
        "table-header-group"
    )
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    assert page.locator("#scores-table:visible").count() == 0


def test_paper_keeps_the_filter(page: Page, results: Results) -> None:
    page.get_by_label("Result").select_option("missed defect")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    missed = sum(image.outcome == "missed defect" for image in results[0].images)
    assert page.locator(f"{IMAGES}:visible").count() == missed


def test_pdf_has_the_cover_on_a_sheet_of_its_own(page: Page) -> None:
    content = page.pdf(prefer_css_page_size=True)
    assert content.startswith(b"%PDF-")
    assert content.count(b"/Type /Page\n") >= 5


def test_without_scripts_every_image_is_shown(browser: Browser, results: Results) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto((results[1] / "report.html").as_uri())
        assert page.locator(f"{IMAGES}:visible").count() == 72
        assert page.locator("button:visible, input:visible").count() == 0
