"""The enlarged picture in a real browser: wheel, pinch, drag, keys, one-to-one pixels, focus, and axe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import PATIENCE, bars_nobody, opened
from tests.station.conftest import Service

BIG = ".pictured > .zoomable"
LEVEL = "[data-zoom-part=level]"
BOX = """() => {
  const box = document.querySelector("#zoom .zoomed").getBoundingClientRect();
  return [box.left, box.top, box.width, box.height];
}"""


@pytest.fixture(scope="module")
def result(service: Service, pictures: list[Path]) -> str:
    """Address of a part that can be drawn."""
    return f"{service.url}/review?id={service.client.inspect(pictures[-1]).id}"


@pytest.fixture
def page(browser: Any, result: str) -> Iterator[Any]:
    with opened(browser, result) as page:
        page.locator(BIG).click()
        page.locator("#zoom[open] .zoomed").wait_for()
        yield page


def level(page: Any) -> float:
    return float(page.locator(LEVEL).inner_text().removesuffix(" %"))


def test_keys_zoom_move_and_give_the_focus_back(browser: Any, result: str) -> None:
    with opened(browser, result) as page:
        page.locator(BIG).focus()
        page.keyboard.press("Enter")
        whole = level(page)
        for key in ("+", "+", "-"):
            page.keyboard.press(key)
        assert level(page) == pytest.approx(1.25 * whole, abs=1)
        page.keyboard.press("1")
        assert level(page) == 100
        for _ in range(20):
            page.keyboard.press("+")
        before = page.evaluate(BOX)
        page.keyboard.press("ArrowRight")
        assert page.evaluate(BOX)[0] < before[0]
        page.keyboard.press("0")
        assert level(page) == whole
        page.keyboard.press("Escape")
        assert page.locator("dialog[open]").count() == 0
        page.locator(f"{BIG}:focus").wait_for()


def test_a_pixel_of_the_image_is_a_pixel_of_the_screen(page: Any, pictures: list[Path]) -> None:
    from PIL import Image

    page.keyboard.press("1")
    with Image.open(pictures[-1]) as image:
        assert page.evaluate(BOX)[2:] == [image.width, image.height]


def test_the_wheel_zooms_where_the_pointer_is(page: Any) -> None:
    left, top, width, height = page.evaluate(BOX)
    x, y = left + 0.7 * width, top + 0.4 * height
    page.mouse.move(x, y)
    page.mouse.wheel(0, -600)
    page.wait_for_timeout(50)
    left, top, wide, high = page.evaluate(BOX)
    assert wide > 2 * width
    assert (left + 0.7 * wide, top + 0.4 * high) == pytest.approx((x, y), abs=1.5)


def test_a_drag_moves_and_nothing_leaves_the_room(page: Any) -> None:
    for _ in range(8):
        page.keyboard.press("+")
    before = page.evaluate(BOX)
    page.mouse.move(600, 500)
    page.mouse.down()
    page.mouse.move(540, 470, steps=3)
    page.mouse.up()
    after = page.evaluate(BOX)
    assert (after[0] - before[0], after[1] - before[1]) == pytest.approx((-60, -30), abs=0.5)
    page.mouse.down()
    page.mouse.move(6000, 5000, steps=3)
    page.mouse.up()
    stage = page.locator(".zoom-stage").bounding_box()
    assert page.evaluate(BOX)[:2] == pytest.approx([stage["x"], stage["y"]], abs=0.5)


def test_two_fingers_zoom(browser: Any, result: str) -> None:
    with browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True) as context:
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto(result)
        page.locator(BIG).tap()
        page.locator("#zoom[open] .zoomed").wait_for()
        whole, touch = level(page), context.new_cdp_session(page)

        def fingers(kind: str, *places: tuple[int, int]) -> None:
            points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        fingers("touchStart", (150, 500), (230, 500))
        for step in range(1, 9):
            fingers("touchMove", (150 - 10 * step, 500), (230 + 10 * step, 500))
        fingers("touchEnd")
        assert level(page) == pytest.approx(3 * whole, rel=0.05)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_stages_are_compared_at_the_same_place(page: Any) -> None:
    for key in ("+", "+", "+", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    before = page.evaluate(BOX)
    assert page.locator("[data-zoom-part=mixing]").is_visible()
    page.keyboard.press("PageDown")
    page.keyboard.press("PageDown")
    assert page.locator("#zoom-title").inner_text().endswith(": Attention")
    assert page.evaluate(BOX) == before
    assert page.locator("[data-zoom-part=mixing]").is_hidden()
    assert page.get_by_role("button", name="Previous picture").is_enabled()


def test_the_dialog_bars_nobody(page: Any) -> None:
    bars_nobody(page)
    page.set_viewport_size({"width": 390, "height": 900})
    assert page.evaluate("document.querySelector('.zoom-bar').scrollWidth") <= 390


def test_the_newest_part_is_enlarged_while_the_line_goes_on(
    browser: Any, service: Service, pictures: list[Path]
) -> None:
    service.client.inspect(pictures[-1], source="before.png")
    with opened(browser, service.url) as page:
        page.locator("#enlarge").focus()
        page.keyboard.press("Enter")
        shown = page.locator("#zoom .zoomed image").first.get_attribute("href")
        service.client.inspect(pictures[-1], source="after.png")
        page.locator("#verdict .of", has_text="after.png").wait_for()
        assert page.locator("#zoom-title").inner_text() == "before.png"
        assert page.locator("#zoom .zoomed image").first.get_attribute("href") in (
            shown,
            str(shown).replace("picture.png", "large.png"),
        )
        page.keyboard.press("Escape")
        page.locator("#enlarge:focus").wait_for()


def test_a_link_that_is_to_open_a_tab_opens_one(browser: Any, result: str) -> None:
    with opened(browser, result) as page:
        with page.context.expect_page() as tab:
            page.locator(BIG).click(modifiers=["Control"])
        assert tab.value.url.endswith("/overlay.png")
        assert page.locator("dialog[open]").count() == 0
