"""The helper for browser tests: it shows pages, and lets no error of a page pass."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser import opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_page_is_shown_at_the_size_and_in_the_scheme_asked_for(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<!doctype html><title>Parts</title><p>good</p>", "utf-8")
    url = (tmp_path / "page.html").as_uri()
    with opened(browser, url, width=390, scheme="dark") as page:
        assert page.title() == "Parts"
        assert page.evaluate("innerWidth") == 390
        assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")


@pytest.mark.parametrize("script", ["console.error('torn')", "throw new Error('torn')"])
def test_error_of_a_page_is_refused(browser: Browser, tmp_path: Path, script: str) -> None:
    (tmp_path / "page.html").write_text(f"<!doctype html><script>{script}</script>", "utf-8")
    with pytest.raises(AssertionError, match="torn"), opened(browser, (tmp_path / "page.html").as_uri()):
        pass
