"""The report in a real browser, from a file: pictures enlarge, cut tables say so, and nobody is barred."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from excision.report.own_words import Words
from excision.report.report import write_report
from tests.browser import bars_nobody, opened
from tests.report.results import evaluated, inspected

LEVEL = "[data-zoom-part=level]"


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Addresses of the report of an evaluation and of one of an inspection."""
    root = tmp_path_factory.mktemp("zoom")
    out = evaluated(root / "a")[1]
    write_report(out, words=Words(operator="M. Weber", customer="Example"))
    return {
        "evaluation": (out / "report.html").as_uri(),
        "inspection": (inspected(root / "b") / "report.html").as_uri(),
    }


@pytest.mark.parametrize("kind", ["evaluation", "inspection"])
def test_nothing_serious_bars_anybody(browser: Any, reports: dict[str, str], kind: str) -> None:
    with opened(browser, reports[kind]) as page:
        bars_nobody(page)
        page.locator(".panels .picture").first.click()
        page.locator("#zoom[open] .zoomed").wait_for()
        bars_nobody(page)


def test_a_stage_is_enlarged_by_keys_alone(browser: Any, reports: dict[str, str]) -> None:
    with opened(browser, reports["evaluation"]) as page:
        first = page.locator(".example").first.locator(".picture")
        first.nth(0).focus()
        page.keyboard.press("Enter")
        assert page.locator("#zoom-title").inner_text().endswith(": Input")
        page.keyboard.press("1")
        assert page.locator(LEVEL).inner_text() == "100 %"
        for _ in range(5):
            page.keyboard.press("PageDown")
        assert page.locator("#zoom-title").inner_text().endswith(": Anomaly map")
        page.keyboard.press("Escape")
        page.locator('[data-zoom-title$=": Anomaly map"]:focus').wait_for()


def test_all_images_are_looked_through_at_full_size(browser: Any, reports: dict[str, str]) -> None:
    with opened(browser, reports["evaluation"]) as page:
        names = page.locator("#images tbody tr:visible td:first-child").all_inner_texts()
        page.locator("#images tbody a:visible").first.click()
        page.locator("#zoom .zoomed").wait_for()
        assert page.locator("#zoom-title").inner_text() == names[0]
        page.keyboard.press("PageDown")
        page.locator("#zoom-title", has_text=names[1]).wait_for()
        assert page.url == reports["evaluation"]


def test_a_picture_that_is_gone_leads_to_its_address(
    browser: Any, reports: dict[str, str], tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    shutil.copyfile(reports["evaluation"].removeprefix("file://"), report)
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(report.as_uri())
        page.locator("#images tbody a:visible").first.click()
        page.wait_for_url("chrome-error://**", wait_until="commit")


def test_a_table_that_is_cut_off_says_so(browser: Any, reports: dict[str, str]) -> None:
    with opened(browser, reports["evaluation"], width=390) as page:
        box = page.locator(".scroll", has=page.locator("#thresholds-table"))
        assert "cut" in str(box.get_attribute("class")).split()
        hint = box.evaluate("box => getComputedStyle(box, '::before').content")
        assert "more columns" in hint
        box.evaluate("box => { box.scrollLeft = 200; }")
        left = box.evaluate("box => box.getBoundingClientRect().left")
        cell = page.locator("#thresholds-table tbody td").first
        assert cell.evaluate("cell => cell.getBoundingClientRect().left") == pytest.approx(left, abs=2)
        page.set_viewport_size({"width": 1280, "height": 900})
        page.locator(".scroll.cut").first.wait_for(state="detached")


def test_large_letters_and_no_motion(browser: Any, reports: dict[str, str]) -> None:
    with browser.new_context(viewport={"width": 640, "height": 800}, reduced_motion="reduce") as context:
        page = context.new_page()
        page.goto(reports["evaluation"])
        page.add_style_tag(content="html { font-size: 200% } body { font-size: 32px !important }")
        assert page.evaluate("document.documentElement.scrollWidth") <= 640
        assert page.evaluate("document.getAnimations().length") == 0


def test_paper_has_the_statement_and_the_lines_to_sign(browser: Any, reports: dict[str, str]) -> None:
    with opened(browser, reports["evaluation"]) as page:
        page.emulate_media(media="print")
        assert page.locator("#statement").is_visible()
        assert page.locator(".lines .signature").count() == 2
        assert page.locator(".lines").is_visible()
        assert page.locator("#zoom").is_hidden()
