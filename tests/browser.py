"""A real browser for tests of pages: the Chromium of this machine, driven by Playwright.

`browser` is a fixture of every test; `opened` shows a page in it, `findings` and `bars_nobody` say what bars
people from a page. Without Playwright or Chromium the tests
that ask for one are skipped with the reason. Playwright's own browsers are never downloaded.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
"""In this order: the first has the same engine and no windows, and takes a third of the processor time."""

LOOKS: tuple[tuple[int, Literal["light", "dark"]], ...] = ((390, "light"), (1280, "dark"))
"""Width and scheme of the looks at a page that find what bars people.

The layout depends on the width alone, and the colours on the scheme alone: each of them is seen once.
"""

PATIENCE = 120_000
"""Milliseconds for whatever a page is waited for; the machine may be busy."""

_AXE = Path(__file__).parent / "station" / "vendor" / "axe.min.js"
_RUN = """async ([without, tags]) => {
  const rules = Object.fromEntries(without.map((rule) => [rule, { enabled: false }]));
  const runOnly = tags.length ? { runOnly: { type: "tag", values: tags } } : {};
  const found = await axe.run({ resultTypes: ["violations"], rules, ...runOnly });
  const serious = found.violations.filter((one) => ["serious", "critical"].includes(one.impact));
  return [found.passes.length, serious.map((one) => `${one.id}: ${one.nodes[0].html.slice(0, 200)}`)];
}"""
"""Gives how many rules a page follows, and what is serious: the whole report takes longer than to make it."""

# A container has neither a sandbox for root nor much shared memory; the pages are the project's own.
_OPTIONS = ["--no-sandbox", "--disable-dev-shm-usage"]


def find_chromium() -> str | None:
    """Give the path of an installed Chromium or Chrome."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


# Not for the whole session: while it lasts, an event loop of Playwright runs in this thread.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser without a window, closed at the end of the module."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason='Playwright is not installed: pip install "excision[dev]"'
    )
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium on this machine; on Debian: apt-get install chromium-headless-shell")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium, args=_OPTIONS)
        yield running
        running.close()


@contextmanager
def opened(
    browser: Browser,
    url: str,
    *,
    width: int = 1280,
    height: int = 900,
    scheme: Literal["light", "dark"] = "light",
) -> Iterator[Page]:
    """Show a page in a context of its own; on leaving, whatever the page logged as an error is refused."""
    with browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme) as context:
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        page.goto(url)
        yield page
        assert not errors, errors


@cache
def _axe() -> str:
    return _AXE.read_text("utf-8")


def findings(page: Page, *without: str, tags: Sequence[str] = ()) -> list[str]:
    """Run axe, without some of its rules or with those of some tags alone, and give what is serious."""
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(_axe())
    followed, serious = page.evaluate(_RUN, [without, tags])
    assert followed > (3 if tags else 10)
    return list(serious)


def bars_nobody(page: Page, *, wide: int = 0) -> None:
    """Look at a page at each of `LOOKS`: it has nothing serious, and nothing sticks out.

    Args:
        page: keeps the last of these looks.
        wide: another width than that of the last look.
    """
    first, last = LOOKS
    for width, scheme in (first, (wide or last[0], last[1])):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        assert findings(page) == [], (page.url, width, scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (page.url, width)
