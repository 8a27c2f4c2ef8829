"""Every page of a filled station in German and Chinese: nothing is English, and nothing bars anybody.

One browser looks at each page in each language once.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from excision.method.folder_kinds import CAPABILITY
from excision.runtime.inspector import Inspector
from excision.station.store.store import Store
from tests.browser import PATIENCE, findings
from tests.capability.samples import sample
from tests.signals.stand_in import wait_for
from tests.signals.test_webhook import Server
from tests.station.conftest import Service, begin, end, noise
from tests.station.described import describe, folder_camera, webhook
from tests.station.people.test_users import WORDS, set_up
from tests.station.test_line import FORMAT_1
from tests.station.test_pages import post

UNFIT = (
    "3.0 times darker than any training image: check light and exposure",
    "out of focus or moved: edges are 1.5 times softer than in nearly all training images: check the lens",
)

PAGES = (
    *(
        "/",
        "/review?verdict=good",
        "/review?verdict=defect",
        "/review?verdict=failed",
        "/review?verdict=unfit",
    ),
    *("/review?id=99999", "/review/threshold", "/review/threshold/forecast?model=fabric&threshold=0.001"),
    *("/review/next?model=fabric", "/quality?by=hour", "/quality/handover", "/models", "/try", "/signals"),
    *("/improve?model=fabric", "/new-model?name=first", "/alarms", "/users", "/account", "/audit?check=yes"),
    *("/nowhere", "/parts/99999/large.png", "/improve?model=none"),
)

TEXTS = """() => {
  const found = new Set(), walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, text = node.textContent.replace(/\\s+/g, " ").trim();
    if (text && !["SCRIPT", "STYLE"].includes(node.parentElement.tagName)) found.add(text);
  }
  const names = ["aria-label", "alt", "title", "placeholder", "data-say", "data-on", "data-off", "data-auto",
    "data-light", "data-dark", "data-no-contact", "data-zoom-title"];
  for (const element of document.body.querySelectorAll("*")) {
    for (const name of names) if (element.getAttribute(name)) found.add(element.getAttribute(name).trim());
  }
  return [...found];
}"""

OF_WORDS = ("cat.name-role-value", "cat.text-alternatives", "cat.language", "cat.forms")
"""Rules that a translation can break, such as by an empty name of a button."""

DRAWN = "svg text, svg title, svg desc, td.n, .sizes td:not(.code)"
"""What is drawn, and tables of figures."""

# Names that somebody gave, units, standards, and what programs take.
NAMES = re.compile(
    r"[\w./*#=%-]*\.(?:png|toml|csv|jsonl|zip|tiff?|bmp|sqlite)\b|--[\w-]+|\b[0-9a-f]{8,64}(?:[.-][0-9a-f]+)*\b"
    r"|https?://\S+|/[\w/-]+|\[[\w.]+\]|\bexcision [\w-]+|\b(?:Excision|press 3|fabric|line|front|back|first|"
    r"webhook|folder|ada|bo|cy|di|test|API key|N1|Kratzer|Delle|M\. Weber|English|Deutsch|AUROC|CSV|JSON|"
    r"Excel|Parquet|EWMA|Laney|Nelson|McNemar|DeLong|Holm|SHA-256|UTC|PNG|TIFF|ZIP|HTTP|Esc|Enter|Home|End|Shift|"
    r"px|ms|MB|start|clean-up|grey PFM|BMP|GIF|JPEG|JPEG 2000|PBM|PGM|PPM|WebP|"
    r"as told|none|GFLOP|pip install|train|Bearer|Authorization|Argon2id?)\b|a dent"
)
SAME_IN_GERMAN = {
    *("Alarm", "Name", "Version", "Station", "Signal", "Normal", "Pareto", "Defekt", "Model", "System"),
    *(
        "Audit",
        "Modell",
        "Start",
        "Person",
        "Operator",
        "Administrator",
        "Text",
        "Export",
        "Drift",
        "Los",
        "Live",
        "Filter",
        "Rest",
    ),
}
ENGLISH = re.compile(r"\b(the|and|with|this|from|that|not|last|show|is|are|of|it|to|be|has|by|one|for|or)\b")
WORDS_IN_A_ROW = re.compile(r"[A-Za-z]{2,}(?:[ ,]+[A-Za-z]{2,}){2,}")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A station with something on every page."""
    folder = tmp_path_factory.mktemp("filled")
    model = Path(shutil.copytree(FORMAT_1 / "exported", folder / "fabric"))
    sample(model, Inspector(model).threshold).save(model / CAPABILITY)
    server = Server()
    server.status = 422
    file, data = describe(folder, tables(model, server.server_address[1])), folder / "data"
    set_up(data)
    service = begin(None, data, "--file", file)
    try:
        fill(service)
        wait_for(lambda: len(server.posts) >= 2)
        yield service
    finally:
        end(service)
        server.shutdown()
        server.server_close()


def tables(model: Path, port: int) -> dict[str, Any]:
    return {
        "station": {"name": "press 3"},
        "models.fabric": {"folder": model},
        "cameras.front": folder_camera(FORMAT_1),
        "parts": {"views": ["front", "back"], "timeout": "1 s"},
        "defects": {"classes": ["Kratzer", "Delle"]},
        "shifts.shift": [{"name": "N1", "start": "00:00", "end": "00:00"}],
        "alarms": {"unfit_in_a_row": 2, "defects": "3 of 20"},
        "signals": {"deadline": "120 s", "self_triggered": ["front"]},
        "signals.webhook": webhook(port),
    }


def fill(service: Service) -> None:
    cookie = signed_in(service)
    for seed in range(4):
        sent = service.ask("POST", f"/v1/inspect?source={seed}.png&lot=L1", noise(seed), Cookie=cookie)
        assert sent[0] == 200
    for seed in range(3):
        service.ask("POST", f"/v1/inspect?source=odd{seed}.png", b"none" + noise(seed)[:9], Cookie=cookie)
    with closing(Store(service.data / "results.sqlite")) as store:
        known = store.get(1)
        assert known is not None
        store.add(
            [
                dataclasses.replace(known, source="dark.png", verdict="unfit", unfit=UNFIT),
                *(
                    dataclasses.replace(known, source=f"good{n}.png", verdict="good", score=0.1 + n)
                    for n in range(3)
                ),
                *(
                    dataclasses.replace(known, source=f"bad{n}.png", verdict="defect", score=99.0)
                    for n in range(3)
                ),
            ]
        )
    for number, truth in ((1, "defect"), (2, "good"), (3, "good")):
        service.json(
            "POST", f"/v1/results/{number}/labels", {"truth": truth, "note": "a dent"}, Cookie=cookie
        )
    threshold = {"threshold": 0.5}
    assert service.json("POST", "/v1/models/fabric/thresholds", threshold, Cookie=cookie)[0] == 200
    post(service, "/new-model", {"name": "first"}, Cookie=cookie)
    post(service, "/users/4", {"change": "role", "role": "reviewer"}, Cookie=cookie)
    post(service, "/users/4", {"change": "disable"}, Cookie=cookie)


def signed_in(service: Service) -> str:
    body = f"name=ada&password={WORDS['ada'].replace(' ', '+')}".encode()
    headers = service.ask("POST", "/login", body, Content_Type="application/x-www-form-urlencoded")[1]
    return (headers["Set-Cookie"] or "").partition(";")[0]


def seen(browser: Any, service: Service, language: str) -> dict[str, set[str]]:
    """Look at every page; gives its texts, after a look for what bars people."""
    found, name, session = {}, *signed_in(service).split("=", 1)
    points: set[str] = set()
    with browser.new_context(locale=language, viewport={"width": 390, "height": 900}) as context:
        context.set_default_timeout(PATIENCE)
        context.add_cookies([{"name": name, "value": session, "url": service.url}])
        page = context.new_page()
        for path in PAGES:
            page.goto(service.url + path, wait_until="domcontentloaded")  # without waiting for pictures
            assert page.locator("html").get_attribute("lang") == language[:2], path
            page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
            found[path] = set(page.evaluate(TEXTS))
            for text in page.locator(DRAWN).all_text_contents():
                signs = set(re.findall(r"\d([.,])\d", text))
                assert signs <= {"," if language == "de-DE" else "."}, (language, path, text)
                points |= {text} if signs else set()
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, (language, path)
            if folder := os.environ.get("EXCISION_PICTURES"):
                page.screenshot(
                    path=Path(folder) / f"{language}{re.sub('[/?=&]', '-', path)}.png", full_page=True
                )
            # Colours are the same in every language, and looked at in English; what else does not depend on
            # words is looked at in the language with the longest.
            if language == "de-DE":
                assert findings(page, "color-contrast") == [], (language, path)
            elif language == "zh-CN":
                assert findings(page, tags=OF_WORDS) == [], (language, path)
    assert len(points) > 5, "numbers with decimals are drawn"
    return found


def left_over(text: str) -> str:
    """Give what is neither a name nor of a machine: versions, and settings of the station's file."""
    if re.match(r"[\w.]+: \S.* → ", text):
        return ""
    return NAMES.sub(" ", re.sub(r"excision \d.*onnxruntime [\d.]+", " ", text))


def test_every_page_is_in_its_language(browser: Any, filled: Service) -> None:
    pages = {language: seen(browser, filled, language) for language in ("en-GB", "de-DE", "zh-CN")}
    wrong = []
    for path in PAGES:
        english = pages["en-GB"][path]
        assert len(english) > 5, path
        for language in ("de-DE", "zh-CN"):
            for text in pages[language][path]:
                rest = left_over(text)
                if not re.search("[A-Za-z]{3}", rest):
                    continue
                same = text in english and set(re.findall("[A-Za-z]{3,}", rest)) - SAME_IN_GERMAN
                inside = ENGLISH.search(rest) if language == "de-DE" else WORDS_IN_A_ROW.search(rest)
                if (same and (language == "de-DE" or rest.strip())) or inside:
                    wrong.append(f"{language} {path}: {text[:200]}")
    assert wrong == [], "\n".join(sorted(set(wrong)))
