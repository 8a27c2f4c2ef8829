"""Users, alarms, the audit trail and languages in a real browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from excision.station.store.store import Store
from tests.browser import PATIENCE, bars_nobody, findings, opened
from tests.station.conftest import Service, begin, end, noise
from tests.station.people.test_users import WORDS, set_up
from tests.station.test_pages import post

PAGES = ("/", "/alarms", "/users", "/audit?check=yes", "/account")


@pytest.fixture(scope="module")
def peopled(line: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with users, and an alarm that stands after two images that are none."""
    folder = tmp_path_factory.mktemp("peopled")
    file = folder / "station.toml"
    file.write_text(f'[models.fabric]\nfolder = "{line}"\n[alarms]\nunfit_in_a_row = 2\n', "utf-8")
    data = folder / "station"
    set_up(data)
    service = begin(line, data, "--file", file)
    yield service
    end(service)


def sign_in(page: Any, url: str, name: str) -> None:
    page.goto(f"{url}/login")
    page.locator("[name=name]").fill(name)
    page.locator("[name=password]").fill(WORDS[name])
    page.locator("main button").click()
    page.locator(".person").wait_for()


def shoot(page: Any, name: str) -> None:
    """Keep a picture where somebody wants to look at it."""
    if folder := os.environ.get("EXCISION_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def cookies_of(page: Any) -> str:
    return "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in page.context.cookies())


def raise_alarm(peopled: Service, page: Any) -> None:
    for seed in range(2):
        peopled.ask(
            "POST", f"/v1/inspect?source={seed}.png", b"none" + noise(seed)[:9], Cookie=cookies_of(page)
        )


def test_an_alarm_stops_the_line_until_a_person_acknowledges_it(browser: Any, peopled: Service) -> None:
    with opened(browser, f"{peopled.url}/login") as page:
        sign_in(page, peopled.url, "di")
        raise_alarm(peopled, page)
        page.goto(peopled.url)
        page.locator(".stop").wait_for()
        box = page.locator(".stop").bounding_box()
        assert box is not None and box["width"] == 1280
        assert "2 images in a row" in page.locator(".stop").inner_text()
        assert "Recorded under the name di" in page.locator(".stop").inner_text()
        shoot(page, "stop")
        assert findings(page) == []
        # It sounds once somebody has touched the page, and says so before.
        page.locator("[data-sound-blocked]").wait_for()
        page.locator(".stop h2").click()
        page.locator("html[data-beeps]").wait_for(state="attached")
        assert not page.locator("[data-sound-blocked]").is_visible()
        page.goto(f"{peopled.url}/review")
        page.locator(".alarm-line").wait_for()
        assert findings(page) == []
        page.set_viewport_size({"width": 390, "height": 800})
        page.goto(peopled.url)
        page.locator(".stop").wait_for()
        shoot(page, "stop-390")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.locator(".stop button").click()
        page.wait_for_url(f"{peopled.url}/")
        page.wait_for_timeout(300)
        assert page.locator(".stop").count() == 0
        page.goto(f"{peopled.url}/alarms")
        assert "Acknowledged by di" in page.locator("main").inner_text()
        page.get_by_role("button", name="Test the sound").click()
        page.locator("html[data-beeps]").wait_for(state="attached")
        page.get_by_role("button", name="Sound: on").click()
        page.get_by_role("button", name="Sound: off").wait_for()


def test_an_admin_sets_users_up(browser: Any, peopled: Service) -> None:
    with opened(browser, f"{peopled.url}/login") as page:
        sign_in(page, peopled.url, "ada")
        page.get_by_role("link", name="Users").click()
        page.locator("[name=name]").fill("Eva Lang")
        page.locator("[name=password]").last.fill("a new word 55")
        page.locator("[name=again]").fill("a new word 55")
        page.get_by_role("button", name="Add user").click()
        row = page.locator(".people > li", has_text="Eva Lang")
        row.wait_for()
        row.locator("summary").click()
        row.locator("select").select_option("reviewer")
        row.get_by_role("button", name="Change role").click()
        page.locator(".people > li", has_text="Eva Lang").get_by_text("reviewer", exact=True).first.wait_for()
        cookie = cookies_of(page)
        page.get_by_role("link", name="Audit trail").click()
        page.get_by_role("link", name="Check every event").click()
        page.locator("[role=status]", has_text="each as it was written").wait_for()
        assert "user added" in page.locator("tbody").inner_text()
        with page.expect_download() as download:
            page.get_by_role("link", name="Download as CSV").click()
        assert "Eva Lang" in download.value.path().read_text("utf-8")
        for path in PAGES:
            page.goto(peopled.url + path)
            bars_nobody(page)
            shoot(page, path.strip("/").partition("?")[0] or "live")

    fields = {"name": "Fay", "role": "operator", "password": "a new word 55", "again": "a new word 56"}
    status, _, said = post(peopled, "/users", fields, Cookie=cookie)
    assert status == 422 and "differ" in said and 'value="Fay"' in said and "a new word" not in said
    status, _, said = post(peopled, "/users/1", {"change": "disable"}, Cookie=cookie)
    assert status == 422 and "last admin" in said
    assert post(peopled, "/users/99", {"change": "disable"}, Cookie=cookie)[0] == 404


def test_an_operator_sees_no_more_than_the_role_allows(browser: Any, peopled: Service) -> None:
    with opened(browser, f"{peopled.url}/login") as page:
        sign_in(page, peopled.url, "di")
        assert page.get_by_role("link", name="Users").count() == 0
        assert page.get_by_role("link", name="Audit trail").count() == 0
        cookie = cookies_of(page)
    for path in ("/users", "/audit", "/audit/trail.csv"):
        status, _, body = peopled.ask("GET", path, Cookie=cookie, Accept="text/html")
        assert status == 403 and b"needs the role admin" in body


def test_a_user_changes_the_own_password_and_language(browser: Any, peopled: Service) -> None:
    with opened(browser, f"{peopled.url}/login") as page:
        sign_in(page, peopled.url, "cy")
        page.get_by_role("link", name="Your account").click()
        page.locator("[name=present]").fill(WORDS["cy"])
        page.locator("[name=password]").fill("another clip 44")
        page.locator("[name=again]").fill("another clip 44")
        page.get_by_role("button", name="Change password").click()
        page.locator("[role=status]", has_text="was changed").wait_for()
        page.goto(peopled.url)
        page.locator(".person", has_text="cy").wait_for()
    with closing(Store(peopled.data / "results.sqlite")) as store:
        (event,) = store.rows("SELECT who FROM events WHERE what = 'user password changed'")
        assert event["who"] == "cy"


@pytest.mark.parametrize(("accepted", "title"), [("de-DE", "Schwellwert"), ("zh-CN", "阈值")])
def test_pages_speak_the_language_of_the_browser(
    browser: Any, peopled: Service, accepted: str, title: str
) -> None:
    """And another that somebody chooses; `test_languages` reads every page in each of them."""
    with browser.new_context(locale=accepted) as context:
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto(f"{peopled.url}/login")
        page.locator("[name=name]").fill("ada")
        page.locator("[name=password]").fill(WORDS["ada"])
        page.locator("main button").click()
        page.locator(".person").wait_for()
        # Whoever chooses a language keeps it, and gets back to the page.
        page.goto(f"{peopled.url}/users")
        assert page.locator("html").get_attribute("lang") == accepted[:2]
        assert title in page.locator("header").inner_text()
        page.get_by_role("button", name="English").click()
        page.wait_for_url(f"{peopled.url}/users")
        assert page.locator("html").get_attribute("lang") == "en"
    with closing(Store(peopled.data / "results.sqlite")) as store:
        assert store.rows("SELECT language FROM users WHERE name = 'ada'")[0][0] == "en"
        with store.transaction() as connection:
            connection.execute("UPDATE users SET language = ''")
