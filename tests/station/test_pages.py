"""The pages over a real connection: what they say, who may ask, what changes and what does not."""

from __future__ import annotations

import io
import json
import re
import shutil
import time
import zipfile
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from urllib.parse import quote, urlencode

import numpy as np
import pytest
from PIL import Image

from excision.cli import run as command_line
from excision.method.calibration.sentences import state_review
from excision.method.folder_kinds import ODD_IMAGE
from excision.runtime.inspector import Inspector
from tests.report.test_odd_image import good_images
from tests.station.conftest import UNFIT, Service, Start, files_of, form, keep_unfit

PAGES = ("/", "/review", "/review/threshold", "/models", "/try", "/login")
HTMX = {"HX_Request": "true"}
KEY = "the key of the line"
FORMAT_1 = Path(__file__).parents[1] / "compatibility" / "format_1"


def get(service: Service, path: str, **headers: str) -> str:
    status, _, body = service.ask("GET", path, **headers)
    assert status == 200, (path, status, body[:500])
    return unescape(body.decode())


def post(service: Service, path: str, fields: Mapping[str, object], **headers: str) -> tuple[int, str, str]:
    status, answered, body = service.ask(
        "POST", path, urlencode(fields).encode(), Content_Type="application/x-www-form-urlencoded", **headers
    )
    return status, answered.get("Location", ""), unescape(body.decode())


@pytest.fixture(scope="module")
def numbers(service: Service, pictures: list[Path]) -> dict[str, int]:
    """Number of the result of each picture, and of one that is no image."""
    found = {str(path): service.client.inspect(path).id for path in pictures}
    status, answer = service.json("POST", "/v1/inspect?source=odd.png", "no image")
    assert status == 422
    return {**found, "odd": answer["results"][0]["id"]}


@pytest.fixture(scope="module")
def number(numbers: dict[str, int], pictures: list[Path]) -> int:
    return numbers[str(pictures[0])]


@pytest.mark.parametrize("path", PAGES)
def test_pages_forbid_whatever_is_not_theirs(service: Service, path: str) -> None:
    status, headers, body = service.ask("GET", path)
    policy = headers["Content-Security-Policy"]
    assert status == 200
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["Cache-Control"] == "no-store"
    page = body.decode()
    assert re.search(r"\son\w+=|\sstyle=|<style|<script(?![^>]*src=)", page) is None
    for address in re.findall(r'(?:src|href|action)="([^"]+)"', page):
        assert address.startswith(("/", "#")), address


def test_an_unfit_image_is_found_by_its_verdict(service: Service, number: int) -> None:
    kept = keep_unfit(service, number)
    for path in (f"/review?id={kept}", "/review?verdict=unfit", "/"):
        page = get(service, path)
        assert all(reason in page for reason in UNFIT), path
    assert 'id="count-unfit"' in get(service, "/")
    (found,) = (answer for answer in service.client.results(verdict="unfit") if answer.id == kept)
    assert (found.verdict, found.unfit) == ("unfit", UNFIT)
    assert found.p_value is not None and 0 < found.p_value <= 1
    status, answer = service.json("GET", f"/v1/results/{kept}")
    assert (status, answer["result"]["unfit"]) == (200, list(UNFIT))


def test_a_model_says_what_it_promises_and_shows_the_odd_image(start: Start, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FORMAT_1 / "exported", tmp_path / "parts"))
    good = good_images(tmp_path / "good")
    assert command_line(["calibrate", str(folder), str(good), "--few", "--review-rate", "20%"]) == 0
    service, inspector = start(folder), Inspector(folder)
    page = get(service, "/models")
    zone = inspector.description.review
    assert zone is not None
    assert inspector.calibration.explain() in page and state_review(zone) in page
    status, headers, picture = service.ask("GET", "/models/parts/odd_image.png")
    assert (status, headers["Content-Type"]) == (200, "image/png")
    assert picture == (folder / ODD_IMAGE).read_bytes()
    assert '/models/parts/odd_image.png"' in page
    proposed = get(service, "/review/threshold/forecast?model=parts&threshold=1")
    assert inspector.calibration.at(1.0).explain() in proposed
    assert inspector.calibration.explain() in proposed
    (folder / ODD_IMAGE).unlink()
    assert service.ask("GET", "/models/parts/odd_image.png")[0] == 404
    assert "odd_image" not in get(service, "/models")


def test_assets_are_the_packages_and_may_be_kept(service: Service) -> None:
    page = get(service, "/")
    addresses = re.findall(r'"(/static/[^"]+)"', page)
    assert len(addresses) == 9
    for address in addresses:
        status, headers, body = service.ask("GET", address)
        assert status == 200
        assert body
        assert "immutable" in headers["Cache-Control"]
    assert service.ask("GET", "/static/app.js?v=old")[1]["Cache-Control"] == "no-cache"
    for outside in ("/static/..%2fweb.py", "/static/nothing.js"):
        assert service.ask("GET", outside)[0] == 404


def test_live_shows_the_newest_and_changes_only_with_it(
    service: Service, numbers: dict[str, int], pictures: list[Path]
) -> None:
    answer = service.client.inspect(pictures[0])
    page = get(service, "/live/now", **HTMX)
    assert f'class="verdict {answer.verdict}"' in page
    assert f"score {answer.score:.4g}" in page
    assert page.count('class="thumb') == min(20, answer.id)
    state = re.search(r'name="state" value="(\w+)"', page)
    assert state is not None
    assert service.ask("GET", f"/live/now?state={state[1]}")[0] == 204
    assert post(service, f"/review/{answer.id}/labels", {"truth": "good", "who": "Ada"})[0] == 303
    assert service.ask("GET", f"/live/now?state={state[1]}")[0] == 200
    assert numbers["odd"] < answer.id


def test_live_counts_the_shift(service: Service, numbers: dict[str, int]) -> None:
    _, listed = service.json("GET", "/v1/results?limit=500")
    verdicts = [entry["verdict"] or "failed" for entry in listed["results"]]
    page = get(service, "/live/now")
    for verdict in ("good", "defect", "failed"):
        assert f'id="count-{verdict}"><b>{verdicts.count(verdict)}</b>' in page
    tomorrow = time.strftime("%Y-%m-%dT%H:%M", time.localtime(time.time() + 86400))
    assert 'id="count-good"><b>0</b>' in get(service, f"/live/now?since={tomorrow}")
    assert numbers


def test_a_failed_image_is_shown_with_its_reason(service: Service, numbers: dict[str, int]) -> None:
    page = get(service, f"/review?id={numbers['odd']}")
    assert "This image could not be inspected." in page
    assert "odd.png: the file is damaged or not an image" in page


def test_sources_are_text_and_nothing_else(service: Service, pictures: list[Path]) -> None:
    odd = "<script>alert(1)</script>\"'"
    status, answer = service.json("POST", f"/v1/inspect?source={quote(odd)}", "no image")
    assert status == 422
    raw = service.ask("GET", f"/review?id={answer['results'][0]['id']}")[2].decode()
    assert "<script>alert" not in raw
    assert "&lt;script&gt;alert(1)" in raw
    assert "<script>alert" not in service.ask("GET", "/")[2].decode()
    service.client.inspect(pictures[0])


def test_review_steps_through_what_fits(service: Service, numbers: dict[str, int]) -> None:
    _, listed = service.json("GET", "/v1/results?verdict=defect&limit=500")
    wanted = [entry["id"] for entry in listed["results"]]
    assert len(wanted) > 2
    seen, address = [], "/review?verdict=defect"
    while address:
        page = get(service, address, **HTMX)
        shown = re.search(r"Result (\d+)<", page)
        assert shown is not None
        seen.append(int(shown[1]))
        older = re.search(r'id="older" rel="next" href="([^"]+)"', page)
        address = older[1] if older else ""
    assert seen == wanted
    assert "No result matches" in get(service, "/review?source=nowhere")
    assert numbers


def test_review_shows_every_stage(service: Service, number: int) -> None:
    page = get(service, f"/review?id={number}")
    pictures = set(re.findall(r'href="(/(?:v1/results|parts)/[^"]+\.png)"', page))
    assert len(pictures) == 7
    for address in pictures:
        status, _, body = service.ask("GET", address)
        assert status == 200
        assert Image.open(io.BytesIO(body)).size == (64, 64) or "results" in address


@pytest.mark.parametrize("depth", ["uint16", "tiff"])
def test_kept_images_are_pictures_whatever_their_format(service: Service, depth: str) -> None:
    pixels = np.random.default_rng(5).integers(0, 65536, (300, 200)).astype(np.uint16)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="TIFF" if depth == "tiff" else "PNG")
    answer = json.loads(service.ask("POST", "/v1/inspect", stream.getvalue())[2])
    here = f"/parts/{answer['results'][0]['id']}"
    large = Image.open(io.BytesIO(service.ask("GET", f"{here}/picture.png")[2]))
    assert (large.mode, large.size) == ("RGB", (200, 300))
    assert np.abs(np.asarray(large)[..., 0].astype(int) - pixels // 257).max() <= 1
    assert Image.open(io.BytesIO(service.ask("GET", f"{here}/thumb.png")[2])).size == (128, 192)


@pytest.mark.parametrize(
    "path", ["/review?id=99999", "/review?id=x", f"/review?id={2**70}", "/parts/99999/thumb.png"]
)
def test_what_is_not_there_is_said_on_a_page(service: Service, path: str) -> None:
    status, headers, body = service.ask("GET", path)
    assert status == 404
    assert headers["Content-Type"].startswith("text/html")
    assert "there is no result" in unescape(body.decode())


def test_labels_are_kept_with_who_and_when(service: Service, number: int) -> None:
    path = f"/review/{number}/labels"
    first = {"truth": "defect", "who": "M. Weber", "note": "dent <1>"}
    assert post(service, path, first)[:2] == (303, f"/review?id={number}")
    page = post(service, path, {"truth": "good", "who": "A. Costa"}, **HTMX)[2]
    assert page.index("A. Costa") < page.index("M. Weber")
    assert "dent <1>" in page
    assert "Labelled good." in page
    _, kept = service.json("GET", f"/v1/results/{number}")
    said = [(label["truth"], label["who"]) for label in kept["labels"]]
    assert said[-2:] == [("defect", "M. Weber"), ("good", "A. Costa")]
    assert post(service, path, {"truth": "perhaps"})[0] == 422
    status, _, page = post(service, path, {"truth": "defect", "who": " \t"})
    assert status == 422 and "nobody is named" in page
    assert post(service, "/review/99999/labels", {"truth": "good", "who": "Ada"})[0] == 404


def test_labelling_may_go_on_to_the_next(service: Service, numbers: dict[str, int]) -> None:
    latest = max(numbers.values())
    fields = {"truth": "defect", "onward": "yes", "verdict": "defect", "who": "Ada"}
    _, _, page = post(service, f"/review/{latest}/labels", fields, **HTMX)
    _, listed = service.json("GET", f"/v1/results?verdict=defect&cursor={latest}&limit=1")
    assert f"Result {listed['results'][0]['id']}<" in page


def test_confirmed_good_parts_are_a_folder_to_train_on(
    service: Service, numbers: dict[str, int], pictures: list[Path], tmp_path: Path
) -> None:
    from excision.data import load_dataset
    from excision.data.known_defects import find_known_defects

    for path, truth in zip(pictures[-3:], ("good", "defect", "good"), strict=True):
        post(service, f"/review/{numbers[str(path)]}/labels", {"truth": truth, "who": "Ada"})
    post(service, f"/review/{numbers[str(pictures[-1])]}/labels", {"truth": "defect", "who": "Ada"})
    status, headers, body = service.ask("GET", "/review/confirmed-good.zip")
    assert (status, headers["Content-Type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        contents = [archive.read(name) for name in archive.namelist()]
        archive.extractall(tmp_path)
    assert pictures[-3].read_bytes() in contents
    assert pictures[-2].read_bytes() not in contents
    assert pictures[-1].read_bytes() not in contents
    assert len(load_dataset(tmp_path).train) == len(contents)
    status, headers, body = service.ask("GET", "/review/confirmed-defects.zip")
    assert status == 200 and "confirmed-defects.zip" in headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        archive.extractall(tmp_path / "defects")
        known = [archive.read(name) for name in archive.namelist()]
    assert pictures[-2].read_bytes() in known and pictures[-3].read_bytes() not in known
    assert len(find_known_defects([tmp_path / "defects"]).samples) == len(known)
    nothing = service.ask("GET", "/review/confirmed-good.zip?source=nowhere")[2]
    assert zipfile.ZipFile(io.BytesIO(nothing)).namelist() == []


def version_of(service: Service) -> tuple[str, float]:
    _, answer = service.json("GET", "/v1/models/fabric")
    return answer["current"]["version"], answer["current"]["threshold"]


def test_thresholds_are_shown_before_they_are_applied(start: Start, pictures: list[Path]) -> None:
    service = start()
    scores = [service.client.inspect(path).score or 0.0 for path in pictures]
    version, threshold = version_of(service)
    then = max(scores) + 1
    address = f"/review/threshold/forecast?model=fabric&threshold={then!r}"
    fewer = sum(score > threshold for score in scores)
    post(service, f"/review/{1 + scores.index(max(scores))}/labels", {"truth": "defect", "who": "Ada"})
    page = get(service, address, **HTMX)
    assert f"Would have flagged {fewer} fewer of {len(scores)} images as defects." in page
    assert "missed 1 more part that is labelled defect" in page
    assert version_of(service) == (version, threshold)
    fields = {"model": "fabric", "version": version, "threshold": repr(then), "who": "M. Weber"}
    assert post(service, "/review/threshold", fields)[0] == 422
    fields["confirmed"] = "yes"
    assert post(service, "/review/threshold", {**fields, "version": "old"})[0] == 409
    for odd in ("nan", "-1", "much", ""):
        assert post(service, "/review/threshold", {**fields, "threshold": odd})[0] == 422
    assert version_of(service) == (version, threshold)
    assert post(service, "/review/threshold", fields)[:2] == (303, "/models#fabric")
    assert version_of(service)[1] == then
    page = get(service, "/models")
    assert "thresholds changed" in page
    assert "M. Weber" in page
    back = {"version": version_of(service)[0], "confirmed": "yes"}
    assert post(service, "/models/fabric/rollback", back)[0] == 303
    assert version_of(service) == (version, threshold)


def test_leaving_a_threshold_as_it_is_leaves_its_last_bit(start: Start) -> None:
    service = start()
    version, threshold = version_of(service)
    page = get(service, f"/review/threshold/forecast?model=fabric&threshold={threshold:.6g}")
    assert "data-opens" not in page
    assert version_of(service) == (version, threshold)


def test_a_trial_is_shown_and_leaves_no_trace(service: Service, line: Path, pictures: list[Path]) -> None:
    before = service.json("GET", "/v1/results?limit=1")[1], files_of(service.data)
    body, kind = form(("image", "new <b>.png", pictures[-1].read_bytes()))
    status, _, answer = service.ask("POST", "/try", body, Content_Type=kind, **HTMX)
    page = unescape(answer.decode())
    expected = Inspector(line, 1).inspect(pictures[-1])
    assert status == 200
    assert f"score {expected.score:.4g}" in page
    assert "new <b>.png" in page
    addresses = set(re.findall(r'href="(/try/[^"]+)"', page))
    assert len(addresses) == 7
    for address in addresses:
        assert service.ask("GET", address)[2].startswith(b"\x89PNG")
    assert (service.json("GET", "/v1/results?limit=1")[1], files_of(service.data)) == before
    assert service.ask("GET", "/try/guess/map.png")[0] == 404


def test_a_trial_that_fails_says_why(service: Service, pictures: list[Path]) -> None:
    before = files_of(service.data)
    body, kind = form(("image", "odd.png", b"no image"))
    status, _, answer = service.ask("POST", "/try", body, Content_Type=kind)
    assert status == 422
    assert "odd.png" in answer.decode()
    assert str(service.data) not in answer.decode()
    body, kind = form(*(("image", path.name, path.read_bytes()) for path in pictures[:2]))
    assert service.ask("POST", "/try", body, Content_Type=kind)[0] == 400
    body, kind = form(("image", "a.png", bytes(2**20)))
    assert service.ask("POST", "/try", body, Content_Type=kind)[0] == 413
    assert files_of(service.data) == before


def finished(service: Service) -> str:
    end = time.monotonic() + 120
    while (page := get(service, "/work")) and "Running" in page:
        assert time.monotonic() < end
        time.sleep(0.05)
    return page


def test_long_work_is_done_beside_the_line(
    start: Start, line: Path, parts: Path, pictures: list[Path]
) -> None:
    service = start("--folders", parts.parent)
    work = "/models/fabric/work"
    assert "No task is running" in get(service, "/work")
    assert post(service, work, {"kind": "check"})[:2] == (303, "/models#work")
    assert "Passed: " in finished(service)
    post(service, work, {"kind": "evaluate", "folder": parts.name})
    page = finished(service)
    scored = [(path, Inspector(line, 1).inspect(path).verdict) for path in pictures]
    good = [verdict for path, verdict in scored if path.parent.name == "good"]
    assert f"<dd>{len(good)}</dd>" in page
    assert f"{100 * good.count('defect') / len(good):.3g} %" in page
    for folder in ("..", "../fabric", "nowhere", ""):
        post(service, work, {"kind": "evaluate", "folder": folder})
        assert "Failed" in finished(service)
    post(service, work, {"kind": "recalibrate", "rate": "10"})
    assert "no part that is labelled good has a score" in finished(service)
    answers = [service.client.inspect(path) for path in pictures[:4]]
    for answer in answers:
        post(service, f"/review/{answer.id}/labels", {"truth": "good", "who": "Ada"})
    post(service, work, {"kind": "recalibrate", "rate": "20"})
    page = finished(service)
    assert f"4 good parts give a threshold of {max(a.score or 0 for a in answers):.4g}" in page
    assert version_of(service)[1] == Inspector(line).threshold
    assert post(service, work, {"kind": "dance"})[0] == 422


def test_with_a_key_the_pages_ask_for_it(start: Start, tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text(f"{KEY}\n", "utf-8")
    service = start("--api-key-file", tmp_path / "key.txt")
    html = {"Accept": "text/html,*/*"}
    status, headers, _ = service.ask("GET", "/review?verdict=defect", **html)
    assert (status, headers["Location"]) == (303, "/login?to=/review%3Fverdict%3Ddefect")
    assert service.ask("GET", "/v1/results")[0] == 401
    assert service.ask("GET", "/live/now", **html, **HTMX)[0] == 401
    assert service.ask("POST", "/try", b"x", **html)[0] == 401
    assert service.ask("GET", "/static/style.css")[0] == 200
    assert post(service, "/login", {"key": "another", "to": "/"})[0] == 403
    body = urlencode({"key": KEY, "to": "/review?verdict=defect"}).encode()
    status, headers, _ = service.ask("POST", "/login", body)
    assert (status, headers["Location"]) == (303, "/review?verdict=defect")
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert "Sign out" in get(service, "/", Cookie=cookie.partition(";")[0])
    status, headers, _ = service.ask("POST", "/logout", b"", Cookie=cookie.partition(";")[0])
    assert headers["Set-Cookie"].startswith('excision_session="";')


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example/", "/\\evil.example", "evil", "\\\\evil"]
)
def test_signing_in_leads_nowhere_else(service: Service, to: str) -> None:
    assert post(service, "/login", {"to": to})[:2] == (303, "/")


def test_pages_of_other_sites_change_nothing(service: Service, number: int) -> None:
    before = service.json("GET", f"/v1/results/{number}")
    label = {"truth": "good", "who": "Ada"}
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ):
        assert post(service, f"/review/{number}/labels", label, **headers)[0] == 403
    assert service.json("GET", f"/v1/results/{number}") == before
    mine = {"Origin": service.url, "Sec_Fetch_Site": "same-origin"}
    assert post(service, f"/review/{number}/labels", label, **mine)[0] == 303


def test_forms_are_small(service: Service, number: int) -> None:
    assert post(service, f"/review/{number}/labels", {"truth": "good", "note": "x" * 70_000})[0] == 413
    crowd = {f"field{place}": "" for place in range(200)}
    assert post(service, f"/review/{number}/labels", crowd)[0] == 400
