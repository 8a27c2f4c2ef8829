"""Every page of a busy station as each role sees it: nothing on it leads to what the role may not use."""

from __future__ import annotations

import asyncio
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from fastapi import FastAPI

from excision.station.api.app import create_app
from excision.station.improve.comparing import Judged, figures
from excision.station.improve.doubts import Doubt
from excision.station.improve.gathering import begin_new
from excision.station.improve.job import COMPARISON, EXPORT, Job, Standing, home
from excision.station.improve.looking import look
from excision.station.improve.workshop import Doing
from excision.station.pages.router import OPEN_PATHS, attach
from excision.station.people.rights import RIGHTS, needed
from excision.station.people.roles import ROLES, Role
from excision.station.station import Station, StationSettings
from excision.station.store.records import Label
from excision.station.work.retention import Cleaned, Rules
from excision.system.files import write_json
from tests.station.people.test_users import WORDS, set_up
from tests.station.test_drift import EXPORTED
from tests.station.test_drift_browser import fill

MODEL = EXPORTED.name
PAGES = (
    *(
        "/",
        "/live/now",
        "/review?id=1",
        "/review",
        "/review/next",
        "/review/threshold",
        "/quality",
        "/models",
    ),
    *(
        "/review/threshold/forecast?model=exported&threshold=0.001",
        "/quality/handover",
        "/try",
        "/alarms",
        "/alarms/now?full=yes",
    ),
    *(
        "/improve",
        f"/improve/{MODEL}/1/acceptance",
        "/new-model",
        "/new-model?name=early",
        "/new-model?name=late",
        "/work",
        "/work/clean-up",
    ),
    *("/account", "/users", "/audit?check=yes", "/signals", "/nowhere"),
)
BUSY = ("/improve", "/new-model?name=early")
"""Also seen while a training runs: of an improvement, and of the new model."""

UNSEEN = {
    # Without a line of cameras and signals, a page of its own tests; and what only those see who are not in.
    ("POST", "/signals/{name}/letters"),
    ("POST", "/login"),
}


class Ways(HTMLParser):
    """Collects where a page leads: method and address of every link, form, button and request of HTMX."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[tuple[str, str]] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.add((given.get("method", "get").upper(), given.get("action", "")))
        if "formaction" in given:
            self.found.add((given.get("formmethod", "post").upper(), given["formaction"]))
        for name, method in (("href", "GET"), ("src", "GET"), ("hx-get", "GET"), ("hx-post", "POST")):
            if given.get(name, "").startswith("/"):
                self.found.add((method, given[name]))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """A station on whose pages everything can be done that its pages offer at all."""
    folder = tmp_path_factory.mktemp("roles")
    data, models = folder / "station", folder / "models"
    shutil.copytree(EXPORTED.parent, models, ignore=shutil.ignore_patterns("*.png"))
    fill(data, moved=True)
    set_up(data)
    settings = StationSettings(
        data, {MODEL: models / MODEL}, models_below=models, folders=models, retention=Rules({"good": 1000})
    )
    station = Station(settings)
    app = attach(create_app(station, open_paths=OPEN_PATHS))
    furnish(station, models)
    over = threading.Event()
    app.state.pages_jobs.start("check", "a long check", lambda _: over.wait(60))
    yield app
    over.set()
    station.upkeep._current = None
    station.close()


def furnish(station: Station, models: Path) -> None:
    data, version = station.settings.data, station.models.current(MODEL)
    station.models.set_thresholds(MODEL, version.threshold * 1.01, None, "test", "")
    version = station.models.current(MODEL)
    station.store.label(1, Label("good", "ada", "", 1.0))
    station.alarms.raise_alarm("defects_in_a_row", MODEL, {"found": 3})
    station.upkeep.close()
    station.upkeep._current = SimpleNamespace(done=Cleaned())  # type: ignore[assignment]  # what a page reads
    out = home(data, MODEL) / "0001"
    Job("improve", MODEL, data, deployed=models / MODEL, threshold=version.threshold).save(out)
    Standing("done", "compare").save(out)
    shutil.copytree(models / MODEL, out / EXPORT)
    described = {"version": version.version, "threshold": version.threshold, "promise": "", "folder": ""}
    zone = {"threshold": version.threshold / 2, "rate": 0.15, "parts": 1}
    judged = [Judged(1, "a.png", False, "1", 0.1, 0.2, "good", "defect")]
    content = {
        "champion": described | {"zone": zone},
        "challenger": described | {"zone": zone | {"parts": 7}},
        **figures(judged),
        "counts": dict.fromkeys(("original", "train", "known", "compare_good", "compare_defects"), 1),
        "doubts": [Doubt(1, "good", "ada", 0.5, "why").to_json()],
        "missing": [],
        "images": [asdict(each) for each in judged],
    }
    write_json(out / COMPARISON, content)
    station.shadows.begin(MODEL, out / EXPORT, "test")
    for name in ("early", "late"):
        new = begin_new(data, name, None, "test")
        for image in EXPORTED.parent.glob("*.png"):
            shutil.copyfile(image, new / "images" / "good" / image.name)
        look(new)
    shutil.copytree(models / MODEL, new / EXPORT)
    Standing("done", "export").save(new)


async def ask(
    app: FastAPI, method: str, address: str, body: bytes = b"", **headers: str
) -> tuple[int, dict[str, str], str]:
    """Ask an application without a server; of a repeated header the first is given."""
    split = urlsplit(address)
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": split.path, "raw_path": split.path.encode(), "query_string": split.query.encode(),
        "root_path": "",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": {},
    }  # fmt: skip

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)  # type: ignore[arg-type]  # messages are dictionaries
    start = next(each for each in sent if each["type"] == "http.response.start")
    told = {name.decode(): value.decode() for name, value in reversed(start["headers"])}
    text = b"".join(each.get("body", b"") for each in sent if each["type"] == "http.response.body")
    return start["status"], told, text.decode("utf-8", "replace")


async def sign_in(app: FastAPI, name: str) -> str:
    body = urlencode({"name": name, "password": WORDS[name]}).encode()
    kind = "application/x-www-form-urlencoded"
    status, told, text = await ask(app, "POST", "/login", body, host="127.0.0.1", content_type=kind)
    assert status == 303, text
    return told["set-cookie"].partition(";")[0]


def route_of(method: str, address: str) -> tuple[str, str]:
    """Find the entry of an address by the table alone: of several, the one with the fewest variables."""
    path = urlsplit(address).path
    fitting = [
        known
        for verb, known in RIGHTS
        if verb == method and re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(known)), path)
    ]
    assert fitting, f"{method} {address} is no route"
    return method, min(fitting, key=lambda known: known.count("{"))


async def seen_by(
    app: FastAPI, name: str, cookie: str, pages: tuple[str, ...]
) -> dict[str, set[tuple[str, str]]]:
    found: dict[str, set[tuple[str, str]]] = {}
    for page in pages:
        status, _, text = await ask(app, "GET", page, cookie=cookie)
        role = dict(zip(WORDS, reversed(ROLES), strict=True))[name]
        able = page == "/nowhere" or role.covers(needed(*route_of("GET", page)))
        expected = 403 if not able else 404 if page == "/nowhere" else 200
        assert status == expected, (page, text)
        found[page] = {route_of(*way) for way in Ways(text).found if way[1].startswith("/")}
    return found


async def walk(app: FastAPI) -> dict[str, dict[str, set[tuple[str, str]]]]:
    station: Station = app.state.station
    found: dict[str, dict[str, set[tuple[str, str]]]] = {}
    cookies = {name: await sign_in(app, name) for name in WORDS}
    warned = {name: (await seen_by(app, name, cookie, ("/",)))["/"] for name, cookie in cookies.items()}
    station.drift.decide(MODEL, station.models.current(MODEL).weights_id, "accept", "test")
    for name, cookie in cookies.items():
        found[name] = await seen_by(app, name, cookie, PAGES) | {"/ while it warns": warned[name]}
        for page, model in zip(BUSY, (MODEL, "early"), strict=True):
            out = home(station.settings.data, model) / "0001"
            job = Job.load(out)
            assert job is not None
            station.workshop._doing = Doing(job, out)
            found[name] |= {f"{page} while it runs": (await seen_by(app, name, cookie, (page,)))[page]}
            station.workshop._doing = None
    return found


def test_no_page_leads_to_what_a_role_may_not_use(app: FastAPI) -> None:
    found = asyncio.run(walk(app))
    barred = {
        (role, page, *way)
        for name, role in zip(WORDS, reversed(ROLES), strict=True)
        for page, ways in found[name].items()
        for way in ways
        if not role.covers(needed(*way))
    }
    assert barred == set()
    # Nothing is hidden from those who may: an admin finds every change that pages offer.
    admin = set[tuple[str, str]]().union(*found["ada"].values())
    changes = {way for way in RIGHTS if way[0] == "POST" and not way[1].startswith("/v1/")}
    assert changes - admin == UNSEEN
    for name, role in (("bo", Role.ENGINEER), ("cy", Role.REVIEWER)):
        theirs = {way for way in changes if role.covers(needed(*way))}
        assert theirs - set[tuple[str, str]]().union(*found[name].values()) == UNSEEN - {
            way for way in UNSEEN if way not in theirs
        }


def test_a_comparison_is_a_sheet_to_sign(app: FastAPI) -> None:
    async def look() -> list[str]:
        cookie, address = await sign_in(app, "bo"), f"/improve/{MODEL}/1/acceptance"
        assert (await ask(app, "GET", f"/improve/{MODEL}/9/acceptance", cookie=cookie))[0] == 404
        return [
            (await ask(app, "GET", address, cookie=cookie, accept_language=language))[2]
            for language in ("en", "de", "zh")
        ]

    version = app.state.station.models.current(MODEL).version
    for page, words in zip(
        asyncio.run(look()), ("Place and date", "Ort und Datum", "地点和日期"), strict=True
    ):
        assert page.count(version) == 2 and page.count(words) == 2
        assert "15 %" in page and "7" in page.partition("15 %")[2][:200]
        assert page.count('class="signature"') == 2 and "<dd>bo</dd>" in page
