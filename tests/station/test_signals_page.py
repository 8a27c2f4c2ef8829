"""The page of signals in a real browser: how each is doing, and dead letters that a person decides about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.browser import bars_nobody, opened
from tests.signals.stand_in import wait_for
from tests.signals.test_webhook import Server
from tests.station.conftest import begin, end
from tests.station.described import describe, folder_camera, webhook
from tests.station.test_line import FORMAT_1


def test_dead_letters_are_sent_again_and_discarded(browser: Any, tmp_path: Path) -> None:
    server = Server()
    server.status = 422
    tables = {
        "cameras.front": folder_camera(FORMAT_1),
        "signals": {"deadline": "120 s", "self_triggered": ["front"]},
        "signals.webhook": webhook(server.server_address[1]),
    }
    file = describe(tmp_path, tables)
    service = begin(f"fabric={FORMAT_1 / 'exported'}", tmp_path / "data", "--file", file)
    try:
        wait_for(lambda: len(server.posts) >= 4)
        with opened(browser, f"{service.url}/signals") as page:
            bars_nobody(page)
            assert page.locator("nav a[aria-current=page]").inner_text() == "Signals"
            rows = page.locator("section[aria-labelledby=signals-letters] tbody tr")
            before = rows.count()
            assert before >= 4 and "answers with 422 'as told'" in rows.first.inner_text()
            rows.first.locator("button[value=discard]").click()
            page.wait_for_load_state()
            assert rows.count() == before - 1
            server.status, known = 200, len(server.posts)
            page.click("button:has-text('Send all again')")
            wait_for(lambda: len(server.posts) == known + before - 1)

            def empty() -> bool:
                page.reload()
                return bool("There are none." in page.inner_text("main"))

            wait_for(empty)
    finally:
        end(service)
        server.shutdown()
        server.server_close()
