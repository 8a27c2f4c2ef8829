"""The documentation site builds without a warning, and needs no network."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import excision
from tests.browser import browser, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[2]

# What a browser fetches by itself. A link that a reader may follow is none of it.
FETCHED = {
    "script": "src",
    "link": "href",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "object": "data",
    "use": "href",
}

__all__ = ["browser"]


class Fetched(HTMLParser):
    """Collects the addresses that a page makes a browser fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "link" and values.get("rel") in {"canonical", "next", "prev"}:
            return
        self.addresses.append(values.get(FETCHED.get(tag, "")) or "")


def fetched_from_elsewhere(page: str) -> list[str]:
    parser = Fetched()
    parser.feed(page)
    return [address for address in parser.addresses if re.match(r"(?:https?:)?//", address)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return out


def test_every_document_is_a_page(site: Path) -> None:
    documents = {path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md")}
    pages = {path.relative_to(site).with_suffix("") for path in site.rglob("*.html")} - {Path("404")}
    assert pages == documents
    menu = (site / "index.html").read_text("utf-8")
    assert [name for name in documents if f'href="{name.as_posix()}.html"' not in menu] == []


def test_the_site_needs_no_network(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert fetched_from_elsewhere(page.read_text("utf-8")) == [], page.name
    for sheet in site.rglob("*.css"):
        assert re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", sheet.read_text("utf-8")) == []


def test_what_is_fetched_from_elsewhere_is_seen() -> None:
    page = (
        '<a href="https://a.example/"></a><script src="https://b.example/x.js"></script>'
        '<link rel="stylesheet" href="//c.example/y.css"><img src="images/z.png">'
    )
    assert fetched_from_elsewhere(page) == ["https://b.example/x.js", "//c.example/y.css"]


def test_the_reference_covers_the_public_face(site: Path) -> None:
    page = (site / "api.html").read_text("utf-8")
    public = [*excision.__all__, "Client", "ImageError", "MaskSettings"]
    for name in (name for name in public if not name.startswith("__")):
        assert re.search(rf'id="excision\.[\w.]*\b{name}"', page), name


def test_the_search_works_in_a_site_that_is_opened_as_a_file(browser: Browser, site: Path) -> None:
    from playwright.sync_api import TimeoutError as NotYet

    requests: list[str] = []
    with opened(browser, (site / "index.html").as_uri()) as page:
        page.on("request", lambda request: requests.append(request.url))
        box = page.get_by_role("textbox", name="Search").first
        found = page.locator(".md-search-result__item").first
        for _ in range(10):
            # What is typed before the search has loaded is not heard: then the page is opened again.
            box.fill("false alarm")
            with contextlib.suppress(NotYet):
                found.wait_for(timeout=8000)
                break
            page.reload()
        assert found.is_visible()
    assert [url for url in requests if not url.startswith(("file:", "data:", "about:"))] == []
