"""The pages in a real browser: keys, live changes, themes, phones, and what assistive technology finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser import PATIENCE, bars_nobody, findings, opened
from tests.station.conftest import UNFIT, Service, Start, keep_unfit

PAGES = (
    "/",
    "/review?verdict=defect",
    "/review?verdict=failed",
    "/review?verdict=unfit",
    "/review/threshold/forecast?model=fabric&threshold=0.001",
    "/models",
    "/try",
    "/login",
)
MIX = "getComputedStyle(document.documentElement).getPropertyValue('--mix')"


@pytest.fixture(scope="module")
def filled(service: Service, pictures: list[Path]) -> Service:
    """The shared service with good ones, defects, a failed one, an unfit one, and one labelled twice."""
    for path in pictures * 3:
        service.client.inspect(path)
    assert service.json("POST", "/v1/inspect?source=odd.png", "no image")[0] == 422
    for truth, who in (("defect", "M. Weber"), ("good", "A. Costa")):
        service.json("POST", "/v1/results/1/labels", {"truth": truth, "who": who, "note": "a dent"})
    keep_unfit(service, service.client.inspect(pictures[0]).id)
    return service


def test_an_unfit_part_says_why_and_how_often_it_is_seen(browser: Any, filled: Service) -> None:
    with opened(browser, filled.url + "/review?verdict=unfit") as page:
        heading = page.locator(".heading").inner_text()
        assert "unfit" in heading and "dark.png" in heading
        assert page.locator(".reasons li").all_inner_texts() == list(UNFIT)
        assert page.locator(".facts", has_text="Conformal p-value").count() == 1


def test_nothing_serious_bars_anybody(browser: Any, filled: Service) -> None:
    with opened(browser, "about:blank") as page:
        for path in PAGES:
            page.goto(filled.url + path)
            bars_nobody(page, wide=1920)


def test_dialogs_and_trials_bar_nobody_either(browser: Any, filled: Service, pictures: list[Path]) -> None:
    with opened(browser, filled.url + PAGES[4]) as page:
        page.get_by_role("button", name="Apply …").click()
        assert findings(page) == []
    with opened(browser, filled.url + "/try") as page:
        page.locator("input[type=file]").set_input_files(pictures[0])
        page.get_by_role("button", name="Inspect").click()
        page.locator("#trial .stages").wait_for()
        assert findings(page) == []


def wait_for_source(page: Any, source: str) -> None:
    page.locator("#verdict .of", has_text=source).wait_for()


def test_a_new_part_appears_without_a_jump(browser: Any, filled: Service, pictures: list[Path]) -> None:
    with opened(browser, filled.url, width=1280) as page:
        page.locator("#count-good").focus()
        page.evaluate(
            """() => {
              window.jumps = []; window.gaps = 0;
              new PerformanceObserver((list) => {
                for (const entry of list.getEntries()) window.jumps.push(entry.value);
              }).observe({ type: "layout-shift" });
              const look = () => {
                if (document.querySelectorAll("#newest:not(.waiting)").length !== 1) window.gaps += 1;
                requestAnimationFrame(look);
              };
              look();
            }"""
        )
        sent = pictures[-1].read_bytes()
        assert filled.ask("POST", "/v1/inspect?source=fresh-part.png", sent)[0] == 200
        wait_for_source(page, "fresh-part.png")
        shown = page.locator("#newest .frame")
        assert shown.count() == 1
        assert shown.get_attribute("aria-label") == "fresh-part.png"
        assert "fresh-part.png" in page.locator("#say").inner_text()
        assert page.evaluate("window.gaps") == 0
        assert sum(page.evaluate("window.jumps")) < 0.01
        assert page.evaluate("document.activeElement.id") == "count-good"


def test_what_is_the_same_stays_the_same_node(browser: Any, filled: Service, pictures: list[Path]) -> None:
    with opened(browser, filled.url) as page:
        page.evaluate("document.querySelector('#recent img').dataset.known = 'yes'")
        page.evaluate("document.querySelector('#shift').dataset.known = 'yes'")
        filled.ask("POST", "/v1/inspect?source=second-part.png", pictures[1].read_bytes())
        wait_for_source(page, "second-part.png")
        assert page.locator("#recent li:nth-child(2) img[data-known=yes]").count() == 1
        assert page.locator("#shift[data-known=yes]").count() == 1


def test_the_slider_moves_from_image_to_map_by_keys(browser: Any, filled: Service) -> None:
    from playwright.sync_api import expect  # there, since the fixture found it

    with opened(browser, filled.url) as page:
        slider = page.get_by_role("slider", name="From image to map")
        slider.focus()
        page.keyboard.press("Home")
        assert page.evaluate(MIX) == "0"
        page.keyboard.press("End")
        assert page.evaluate(MIX) == "1"
        page.keyboard.press("ArrowLeft")
        page.reload()
        assert page.evaluate(MIX) == "0.99"
        assert slider.input_value() == "99"
        # A function to wait for would be a string to evaluate, which the page's policy forbids.
        expect(page.locator("#newest image.over")).to_have_css("opacity", "0.99")


def number_shown(page: Any) -> int:
    return int(page.locator(".heading .quiet").inner_text().removeprefix("Result "))


def test_review_is_done_by_keys_alone(browser: Any, filled: Service) -> None:
    with opened(browser, f"{filled.url}/review?verdict=defect") as page:
        _, listed = filled.json("GET", "/v1/results?verdict=defect&limit=3")
        first, second, third = (entry["id"] for entry in listed["results"])
        assert number_shown(page) == first
        for key, number in (("ArrowRight", second), ("ArrowRight", third), ("ArrowLeft", second)):
            page.keyboard.press(key)
            page.locator(".heading", has_text=f"Result {number}").wait_for()
            assert page.url.endswith(f"verdict=defect&id={number}")
        page.keyboard.press("n")
        page.keyboard.type("good dent")
        page.keyboard.press("Tab")
        page.keyboard.type("G. Dupont")
        assert filled.json("GET", f"/v1/results/{second}")[1]["labels"] == []
        page.locator("#note").press("Escape")
        page.keyboard.press("d")
        page.locator(".labels li", has_text="good dent").wait_for()
        label = filled.json("GET", f"/v1/results/{second}")[1]["labels"][-1]
        assert (label["truth"], label["who"], label["note"]) == ("defect", "G. Dupont", "good dent")
        page.keyboard.press("g")
        page.get_by_text("Labelled good.").wait_for()
        assert page.locator(".labels li").count() == 2
        assert page.locator(".labels li.past", has_text="good dent").count() == 1
        page.reload()
        assert page.locator("#who").input_value() == "G. Dupont"
        page.go_back()
        page.locator(".heading", has_text=f"Result {third}").wait_for()


def test_keys_can_be_switched_off(browser: Any, filled: Service) -> None:
    with opened(browser, f"{filled.url}/review") as page:
        first = number_shown(page)
        page.get_by_role("button", name="Keys: on").click()
        page.locator("body").press("ArrowRight")
        page.reload()
        page.locator("body").press("ArrowRight")
        page.get_by_role("button", name="Keys: off").click()
        assert number_shown(page) == first
        page.locator("body").press("ArrowRight")
        page.locator(".heading", has_text=f"Result {first - 1}").wait_for()


def test_the_first_key_skips_to_the_content(browser: Any, filled: Service) -> None:
    with opened(browser, f"{filled.url}/models") as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.getElementById('content').contains(document.activeElement)")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"


def test_a_threshold_is_tried_and_then_applied(browser: Any, start: Start, pictures: list[Path]) -> None:
    service = start()
    for path in pictures:
        service.client.inspect(path)
    with opened(browser, f"{service.url}/review/threshold") as page:
        page.get_by_text("These are the current thresholds.").wait_for()
        page.get_by_role("spinbutton", name="Decision threshold").fill("1000000")
        page.locator("#forecast", has_text=f"fewer of {len(pictures)} images").wait_for()
        page.get_by_role("button", name="Apply …").click()
        page.keyboard.press("Escape")
        assert page.locator("dialog[open]").count() == 0
        assert service.json("GET", "/v1/models/fabric")[1]["previous"] is None
        page.get_by_role("button", name="Apply …").click()
        dialog = page.get_by_role("dialog", name="Apply these thresholds?")
        dialog.get_by_label("Your name").fill("M. Weber")
        dialog.get_by_role("button", name="Apply", exact=True).click()
        page.wait_for_url("**/models#fabric")
        assert page.locator(".history", has_text="M. Weber").count() == 1
        assert service.json("GET", "/v1/models/fabric")[1]["current"]["threshold"] == 1e6
        page.get_by_role("button", name="Check golden images").click()
        page.locator("#work", has_text="Passed").wait_for()


def test_a_dropped_image_is_tried(browser: Any, filled: Service, pictures: list[Path]) -> None:
    with opened(browser, f"{filled.url}/try") as page:
        content = list(pictures[-1].read_bytes())
        dropped = page.evaluate_handle(
            """(content) => {
              const data = new DataTransfer();
              data.items.add(new File([new Uint8Array(content)], "dropped.png", { type: "image/png" }));
              return data;
            }""",
            content,
        )
        page.dispatch_event("[data-drop]", "drop", {"dataTransfer": dropped})
        page.locator("#trial .heading", has_text="dropped.png").wait_for()
        assert "Trial: not kept, not counted" in page.locator("#trial").inner_text()
        page.wait_for_load_state("networkidle")


def test_the_theme_is_remembered(browser: Any, filled: Service) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    with opened(browser, filled.url, scheme="light") as page:
        light = page.evaluate(ground)
        page.get_by_role("button", name="Theme: system").click()
        page.get_by_role("button", name="Theme: light").click()
        dark = page.evaluate(ground)
        page.reload()
        assert page.evaluate(ground) == dark != light
        page.get_by_role("button", name="Theme: dark").click()
        assert page.evaluate(ground) == light


def test_a_station_that_is_gone_is_said(browser: Any, start: Start, pictures: list[Path]) -> None:
    service = start()
    service.client.inspect(pictures[0])
    # What the browser logs about the lost connection is the point here, so no `opened`.
    with browser.new_context() as context:
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto(service.url)
        service.process.kill()
        page.get_by_role("alert").filter(has_text="The station does not answer").wait_for()


def test_signing_in_and_working_with_a_key(
    browser: Any, start: Start, tmp_path: Path, pictures: list[Path]
) -> None:
    (tmp_path / "key.txt").write_text('k"e; y=1, ä; and more\n', "utf-8")
    service = start("--api-key-file", tmp_path / "key.txt")
    with opened(browser, f"{service.url}/try") as page:
        assert page.url.endswith("/login?to=/try")
        page.get_by_label("Key").fill('k"e; y=1, ä; and more')
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{service.url}/try")
        page.locator("input[type=file]").set_input_files(pictures[0])
        page.get_by_role("button", name="Inspect").click()
        page.locator("#trial .stages").wait_for()
        assert page.evaluate("document.cookie") == ""
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/login")
        page.goto(service.url)
        assert page.url.endswith("/login?to=/")


def test_pages_ask_nobody_but_the_station(browser: Any, filled: Service) -> None:
    asked: list[str] = []
    with opened(browser, "about:blank") as page:
        page.on("request", lambda request: asked.append(request.url))
        for path in ("/", "/review", "/models"):
            asked.clear()
            page.goto(filled.url + path)
            page.wait_for_load_state("networkidle")
            assert len(asked) > 5
            assert [address for address in asked if not address.startswith(f"{filled.url}/")] == []
