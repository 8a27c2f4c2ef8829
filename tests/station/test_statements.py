"""One promise for one threshold on every page, and pages for browsers that ask for what is not there."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import pytest

from excision.runtime.inspector import Inspector
from excision.station.pages.jobs import Work
from excision.station.pages.promises import statements
from excision.station.pages.strings import words
from excision.station.pages.tasks import Proposal
from tests.station.conftest import Service, Start
from tests.station.test_pages import get, post

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def words_in(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))


def test_every_page_states_the_same_promise(start: Start, line: Path) -> None:
    service, own = start(), Inspector(line).calibration
    (model,) = service.json("GET", "/v1/models")[1]["models"]
    version, name = model["current"]["version"], model["name"]
    changed = {"model": name, "version": version, "confirmed": "yes", "threshold": repr(2 * own.threshold)}
    for path in ("/", "/models", "/review/threshold"):
        assert own.explain_rate() in words_in(get(service, path))
    assert post(service, "/review/threshold", {**changed, "review_threshold": ""})[0] == 303
    then = own.at(2 * own.threshold)
    for path in ("/", "/models", "/review/threshold"):
        assert then.explain_rate() in words_in(get(service, path))
        assert own.explain_rate() not in words_in(get(service, path))
    # Six digits of the folder's own threshold mean that threshold, with its own promise.
    asked = f"/review/threshold/forecast?model={name}&threshold={own.threshold:.6g}"
    forecast = words_in(get(service, asked))
    assert own.explain() in forecast
    assert then.explain() in forecast


def test_a_proposal_from_labelled_parts_stands_beside_the_promise_of_the_model(
    line: Path,
) -> None:
    from excision.method.calibration import calibrate
    from excision.station.models.version import load_version

    version = load_version(line)
    proposed = calibrate([0.1, 0.2, 0.3 + 2 * version.threshold], 0.1)
    work = Work(1, "recalibrate", "", 0.0, state="done", result=Proposal("line", proposed, 0, 0))
    then = version.with_thresholds(proposed.threshold, None)
    calibration = then.predictor.calibration
    assert calibration is not None
    found = statements(then, "line", work, words())
    assert [one.sentence for one in found] == [calibration.explain(), proposed.explain()]
    assert len({one.origin for one in found}) == 2
    assert len(statements(version, "line", work, words())) == 1
    assert len(statements(then, "other", work, words())) == 1
    assert len(statements(then, "line", None, words())) == 1


@pytest.mark.parametrize(
    "path", ["/nope", "/live/nope", "/static", "/models/line/nope", "/<script>alert(1)</script>"]
)
def test_an_unknown_address_is_a_page_for_a_browser_and_json_for_a_program(
    service: Service, path: str
) -> None:
    from urllib.parse import quote

    status, headers, body = service.ask("GET", quote(path), Accept=BROWSER)
    page = body.decode()
    assert status == 404
    assert headers["Content-Type"].startswith("text/html")
    assert "There is no such page" in page and "<script>alert" not in page
    assert path in unescape(page)
    assert "Accept" in headers["Vary"] and "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Cache-Control"] == "no-store"
    for accept in ("application/json", "*/*"):
        status, headers, body = service.ask("GET", quote(path), Accept=accept)
        assert (status, json.loads(body)) == (404, {"detail": "Not Found"})


def test_what_the_interface_refuses_is_a_page_for_a_browser_too(service: Service) -> None:
    status, headers, body = service.ask("GET", "/v1/results/999999", Accept=BROWSER)
    assert (status, headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "there is no result 999999" in body.decode()
    status, headers, body = service.ask("GET", "/", Accept=BROWSER, Host="station.example")
    assert status == 403
    assert "under the names of its own machine" in body.decode()
    assert service.ask("GET", "/logout", Accept=BROWSER)[0] == 405
    assert service.ask("HEAD", "/nope", Accept=BROWSER)[0] == 404


def test_a_browser_without_a_key_is_still_asked_for_it(start: Start, tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text("the key of the line", "utf-8")
    service = start("--api-key-file", tmp_path / "key.txt")
    status, headers, _ = service.ask("GET", "/nope", Accept=BROWSER)
    assert (status, headers["Location"]) == (303, "/login?to=/nope")
    assert service.ask("GET", "/nope")[0] == 401
