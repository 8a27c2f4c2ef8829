"""Images in, verdicts out, over a real connection: the numbers, the views, the pages of results."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from excision.errors import GoneError, ImageError, StationError
from excision.inspection.batch import inspect_file
from excision.runtime.inspector import Inspector
from excision.station.api.result_schemas import ResultAnswer, answer_of
from excision.station.client import Answer, Client
from excision.station.store.records import StoredResult
from tests.station.conftest import Service, Start, files_of, form, noise


def test_results_are_the_runtimes_bit_for_bit(
    service: Service, line: Path, pictures: list[Path], tmp_path: Path
) -> None:
    inspector = Inspector(line, 1)
    for path in pictures:
        answer = service.client.inspect(path)
        expected = inspect_file(inspector, path, tmp_path)
        assert answer.source == path.name
        assert (answer.score, answer.verdict) == (expected.score, expected.verdict)
        assert (answer.threshold, answer.review_threshold) == (inspector.threshold, None)
        assert (answer.boxes, answer.defect_area_share) == (expected.boxes, expected.defect_area_share)
        assert service.client.result(answer.id).score == expected.score
        assert answer.seconds.keys() == {"queue", "decode", "model", "store"}


def test_maps_are_the_runtimes_bit_for_bit(service: Service, line: Path, pictures: list[Path]) -> None:
    prediction = Inspector(line, 1).inspect(pictures[-1])
    client = service.client
    answer = client.inspect(pictures[-1])
    assert client.view(answer.id, "image") == pictures[-1].read_bytes()
    raw = tifffile.imread(io.BytesIO(client.view(answer.id, "map_tiff")))
    assert raw.dtype == np.float32
    np.testing.assert_array_equal(raw, prediction.anomaly_map)
    masked_image = np.asarray(Image.open(io.BytesIO(client.view(answer.id, "masked_image"))))
    np.testing.assert_array_equal(masked_image[..., 0], np.rint(prediction.masked_image[..., 0] * 255))
    views = {
        view: client.view(answer.id, view) for view in ("overlay", "map", "attention", "mask", "recovery")
    }
    for content in views.values():
        assert np.asarray(Image.open(io.BytesIO(content))).shape == (*prediction.mask.shape, 3)
    assert len(set(views.values())) == len(views)


def test_many_images_in_one_form_keep_their_order(service: Service, pictures: list[Path]) -> None:
    parts = [("image", path.name, path.read_bytes()) for path in pictures]
    parts.insert(1, ("image", "odd.png", b"no image"))
    body, kind = form(("source", None, b"unused"), *parts)
    status, answer = _posted(service, body, kind)
    assert status == 200
    results = answer["results"]
    assert [result["source"] for result in results] == [name for _, name, _ in parts]
    assert results[1]["verdict"] is None
    assert "not an image; known are" in results[1]["error"]
    for result, path in zip(results[:1] + results[2:], pictures, strict=True):
        assert service.client.inspect(path).score == result["score"]


def test_every_kind_of_file_that_the_runtime_reads(service: Service, line: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    grey = rng.integers(0, 65536, (64, 64), dtype=np.uint16)
    colour = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "deep.tif", grey)
    Image.fromarray(grey).save(tmp_path / "deep.png")
    Image.fromarray(colour).save(tmp_path / "colour.jpg")
    Image.fromarray(colour).save(tmp_path / "colour.bmp")
    Image.fromarray(colour).save(tmp_path / "colour.webp", lossless=True)
    inspector = Inspector(line, 1)
    for path in sorted(tmp_path.iterdir()):
        answer = service.client.inspect(path.read_bytes(), source="lies.txt")
        assert answer.score == inspector.inspect(path).score, path.name
        assert service.client.view(answer.id, "image") == path.read_bytes()
    for array in (grey, colour, grey.astype(np.float32) / 65535, grey[..., None]):
        assert service.client.inspect(array).score == inspector.inspect(array).score


def test_what_is_no_image_is_answered_and_recorded(service: Service) -> None:
    before = files_of(service.data)
    status, answer = _posted(service, b"no image", "image/png", X_Source="broken.png")
    assert status == 422
    assert answer["detail"] == answer["results"][0]["error"]
    assert answer["detail"].startswith("broken.png: the file is damaged or not an image; known are BMP,")
    number = answer["results"][0]["id"]
    assert service.client.result(number).error == answer["detail"]
    assert [found.id for found in service.client.results(verdict="failed", source="broken.png")] == [number]
    assert files_of(service.data) == before, "anybody could fill the disk with what is not kept for anyone"
    with pytest.raises(GoneError, match="could not be inspected"):
        service.client.view(number, "overlay")
    with pytest.raises(ImageError, match="not an image"):
        service.client.inspect(b"no image")


@pytest.mark.parametrize(
    ("query", "headers", "status", "reason"),
    [
        ("source=" + "x" * 501, {}, 422, "query source: String should have at most 500 characters"),
        ("model=" + "x" * 65, {}, 422, "query model: String should have at most 64 characters"),
        ("lot=" + "x" * 201, {}, 422, "lot"),
        ("", {"X_Source": "x" * 501}, 422, "header x-source: String should have at most 500 characters"),
        ("model=other", {}, 404, "there is no such model"),
        ("serial=%07", {}, 422, "serial holds a character that cannot be printed"),
        ("modle=fabric", {}, 422, "there is no parameter 'modle': did you mean model? Known are lot, model,"),
        ("source=a.png&modle=", {}, 422, "there is no parameter 'modle': did you mean model?"),
        ("Colour=%00", {}, 422, "there is no parameter 'Colour': known are lot, model, recipe, serial,"),
        ("x_source=a.png", {}, 422, "there is no parameter 'x_source': did you mean source?"),
    ],
)
def test_parameters_that_are_wrong_are_named(
    service: Service, pictures: list[Path], query: str, headers: dict[str, str], status: int, reason: str
) -> None:
    found, _, body = service.ask("POST", f"/v1/inspect?{query}", pictures[0].read_bytes(), **headers)
    assert (found, reason in json.loads(body)["detail"]) == (status, True), body


def test_unusual_parameters_mean_what_they_mean_in_a_plain_request(
    service: Service, pictures: list[Path]
) -> None:
    """Repeated and empty ones go another way than the plain request, to the same answer."""
    image = pictures[0].read_bytes()
    for query in ("source=a.png&lot=7", "source=b&source=a.png&lot=7&view="):
        status, _, body = service.ask("POST", f"/v1/inspect?{query}", image)
        (result,) = json.loads(body)["results"]
        assert (status, result["source"], result["lot"], result["view"]) == (200, "a.png", "7", None)
    status, _, body = service.ask("POST", "/v1/inspect", image, X_Source="c.png")
    assert json.loads(body)["results"][0]["source"] == "c.png"


def test_an_answer_is_what_the_result_says_later(service: Service, pictures: list[Path]) -> None:
    for content in (pictures[0].read_bytes(), b"no image"):
        _, told = service.json_of("POST", "/v1/inspect?source=a%20part&lot=7", content)
        (result,) = told["results"]
        del result["seconds"]["store"]
        assert service.json("GET", f"/v1/results/{result['id']}")[1]["result"] == result


@pytest.mark.parametrize(
    "changes", [{}, {"image": None}, {"time": 1767225600.0}, {"boxes": (), "score": None}]
)
def test_an_answer_has_the_form_that_is_described(changes: dict[str, Any]) -> None:
    result = StoredResult(
        time=1767225600.123456,
        source="Teil ü",
        model="parts",
        model_version="3f9c1a7d52be",
        threshold=20.4,
        score=1e-7,
        verdict="defect",
        unfit=("dark",),
        boxes=((1, 2, 3, 4),),
        seconds={"queue": 1e-6},
        image="images/2026-01-01/a.png",
        id=17,
    )
    result = dataclasses.replace(result, **changes)
    described = ResultAnswer.of(result).model_dump(mode="json")
    assert json.loads(json.dumps(answer_of(result))) == described
    assert list(answer_of(result)) == list(described)


def test_paging_gives_each_result_once(start: Start, pictures: list[Path]) -> None:
    service = start()
    numbers = [service.client.inspect(path, source=f"s{place}").id for place, path in enumerate(pictures)]
    seen, cursor = [], ""
    while True:
        _, page = service.json("GET", f"/v1/results?limit=2{cursor}")
        seen += [result["id"] for result in page["results"]]
        assert len(page["results"]) == 2 or page["next"] is None
        if page["next"] is None:
            break
        service.client.inspect(pictures[0], source="later")  # must not shift what is still to come
        cursor = f"&cursor={page['next']}"
    assert seen == numbers[::-1]


def test_filters_of_results(start: Start, pictures: list[Path]) -> None:
    client = start().client
    answers = [client.inspect(path, source=f"part-{place}") for place, path in enumerate(pictures)]
    scores = sorted(answer.score for answer in answers if answer.score is not None)
    middle = scores[len(scores) // 2]
    low = {answer.id for answer in answers if answer.score is not None and answer.score <= middle}
    assert {answer.id for answer in client.results(highest=middle)} == low
    assert {answer.id for answer in client.results(lowest=middle)} >= {answers[0].id} - low
    assert [answer.source for answer in client.results(source="part-1")] == ["part-1"]
    third = answers[2].time
    assert [answer.id for answer in client.results(since=third)] == [answer.id for answer in answers[:1:-1]]
    assert len(list(client.results(until=third))) == 2
    assert not list(client.results(since=datetime.now(UTC) + timedelta(days=1)))
    for verdict in ("good", "defect", "review"):
        expected = {answer.id for answer in answers if answer.verdict == verdict}
        assert {answer.id for answer in client.results(verdict=verdict)} == expected
    assert not list(client.results(model="another"))
    client.label(answers[0].id, "good", "M. Weber", "only dust")
    assert [answer.id for answer in client.results(labelled=True)] == [answers[0].id]
    assert len(list(client.results(labelled=False))) == len(answers) - 1
    with pytest.raises(TypeError, match="no such filter: colour"):
        list(client.results(colour="red"))


def test_old_names_are_served_and_deprecated(service: Service, pictures: list[Path]) -> None:
    number = service.client.inspect(pictures[0]).id
    status, detail = service.json("POST", f"/v1/results/{number}/marks", {"truth": "good", "who": "Ada"})
    assert status == 201
    assert detail["marks"] == detail["labels"]
    assert [label["who"] for label in detail["labels"]] == ["Ada"]
    with pytest.warns(DeprecationWarning, match="label"):
        service.client.mark(number, "defect", "Ada")
    assert service.json("GET", f"/v1/results/{number}")[1]["labels"][-1]["truth"] == "defect"
    for name in ("labelled", "marked"):
        _, page = service.json("GET", f"/v1/results?{name}=true&limit=1")
        assert [result["id"] for result in page["results"]] == [number]
    here = f"/v1/results/{number}/stages"
    assert service.ask("GET", f"{here}/holed.png")[2] == service.ask("GET", f"{here}/masked_image.png")[2]
    _, described = service.json("GET", "/openapi.json")
    assert described["paths"]["/v1/results/{number}/marks"]["post"]["deprecated"]
    assert "deprecated" not in described["paths"]["/v1/results/{number}/labels"]["post"]
    parameters = {each["name"]: each for each in described["paths"]["/v1/results"]["get"]["parameters"]}
    assert parameters["marked"]["deprecated"] and not parameters["labelled"].get("deprecated")
    assert described["components"]["schemas"]["ResultDetail"]["properties"]["marks"]["deprecated"]


def test_the_answer_of_the_service_has_the_fields_of_a_result() -> None:
    """The published answer is written out, so that it changes only on purpose."""
    kept = {field.name for field in dataclasses.fields(StoredResult)}
    answered = set(ResultAnswer.model_fields)
    assert answered == kept - {"image", "image_statistics", "file_size", "file_mtime_ns"} | {"links"}
    assert {field.name for field in dataclasses.fields(Answer)} == answered


def test_labels_stay_and_the_last_one_counts(service: Service, pictures: list[Path]) -> None:
    number = service.client.inspect(pictures[0]).id
    for truth in ("defect", "good"):
        status, detail = service.json("POST", f"/v1/results/{number}/labels", {"truth": truth, "who": "é"})
        assert status == 201
    assert [(label["truth"], label["who"]) for label in detail["labels"]] == [("defect", "é"), ("good", "é")]
    assert service.json("POST", f"/v1/results/{number}/labels", {"truth": "maybe"})[0] == 422
    assert service.json("POST", "/v1/results/999999/labels", {"truth": "good", "who": "Ada"})[0] == 404


def test_unknown_results_and_odd_numbers(service: Service) -> None:
    for number, expected in (("999999", 404), ("0", 422), ("-1", 422), (str(2**63), 422), ("x", 422)):
        for view in ("", "/image", "/overlay.png", "/map.png", "/map.tiff", "/stages/mask.png"):
            status, answer = service.json("GET", f"/v1/results/{number}{view}")
            assert (status, list(answer)) == (expected, ["detail"])
    assert service.json("GET", "/v1/results/1/stages/other.png")[0] == 422
    with pytest.raises(StationError, match="no result 999999"):
        service.client.result(999999)


@pytest.mark.parametrize(
    ("keep", "kept"), [("all", {"good", "defect"}), ("flagged", {"defect"}), ("none", set())]
)
def test_which_images_are_kept(
    start: Start, line: Path, pictures: list[Path], keep: str, kept: set[str]
) -> None:
    service = start("--keep", keep)
    middle = float(np.median([Inspector(line, 1).inspect(path).score for path in pictures]))
    service.json("POST", "/v1/models/fabric/thresholds", {"threshold": middle})
    verdicts = set()
    for path in pictures:
        answer = service.client.inspect(path)
        verdicts.add(answer.verdict)
        assert (answer.links["image"] is not None) == (answer.verdict in kept)
        status, _, content = service.ask("GET", f"/v1/results/{answer.id}/image")
        assert (status, content == path.read_bytes()) == (
            (200, True) if answer.verdict in kept else (410, False)
        )
    assert verdicts == {"good", "defect"}
    with sqlite3.connect(service.data / "results.sqlite") as store:
        known = {row[0] for row in store.execute("SELECT image FROM results WHERE image IS NOT NULL")}
    assert files_of(service.data) == known


def test_a_removed_image_is_explained(service: Service, pictures: list[Path]) -> None:
    before = files_of(service.data)
    answer = service.client.inspect(pictures[0])
    (name,) = files_of(service.data) - before
    assert re.fullmatch(r"images/\d{4}-\d\d-\d\d/[0-9a-f]{32}\.png", name)
    (service.data / name).unlink()
    status, problem = service.json("GET", f"/v1/results/{answer.id}/map.tiff")
    assert status == 410
    assert "is not kept" in problem["detail"]


def test_metrics_and_health(start: Start, pictures: list[Path]) -> None:
    service = start()
    well = {"status": "ok", "unanswered": 0, "bound": 64, "cause": None, "cleanup": None, "quarantined": 0}
    well["outbox"] = None
    assert service.json("GET", "/healthz") == (200, well)
    assert service.json("GET", "/readyz")[0] == 200
    verdicts = [service.client.inspect(path).verdict for path in pictures]
    _posted(service, b"no image", "image/png")
    status, headers, text = service.ask("GET", "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    counted = dict(
        re.findall(r'excision_images_total{model="fabric",verdict="(\w+)"} ([\d.]+)', text.decode())
    )
    expected = {verdict: float(verdicts.count(verdict)) for verdict in set(verdicts)} | {"failed": 1.0}
    assert {verdict: float(count) for verdict, count in counted.items()} == expected
    assert f'excision_stage_seconds_count{{stage="model"}} {len(pictures)}.0' in text.decode()


def test_the_description_needs_no_internet(service: Service) -> None:
    status, description = service.json("GET", "/openapi.json")
    assert status == 200
    assert {"/v1/inspect", "/v1/results", "/v1/models", "/healthz", "/readyz", "/metrics"} <= set(
        description["paths"]
    )
    assert service.ask("GET", "/docs")[0] == service.ask("GET", "/redoc")[0] == 404
    addresses = set(re.findall(r"https?://[\w.-]+", json.dumps(description)))
    assert addresses <= {"http://127.0.0.1"}


def test_a_client_says_who_does_not_answer() -> None:
    with pytest.raises(StationError, match="no answer from the station"):
        Client("http://127.0.0.1:9").models()


def test_sources_are_text_of_any_kind(service: Service) -> None:
    for source in ("ä ö.png", "a" * 500, "x\nSet-Cookie: y", "\U0001d518"):
        answer = service.client.inspect(noise(1), source=source)
        assert answer.source == source
        assert service.client.result(answer.id).source == source


def _posted(service: Service, body: bytes, kind: str, **headers: str) -> tuple[int, dict[str, Any]]:
    status, _, answer = service.ask("POST", "/v1/inspect", body, Content_Type=kind, **headers)
    return status, json.loads(answer)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (None, "NoneType is not an image"),
        ([np.zeros((16, 20), np.uint8)], "list is not an image"),
        (np.zeros((2, 16, 20, 3), np.uint8), "is a batch"),
        ("a\0.png", "cannot be the name of a file"),
    ],
)
def test_a_client_refuses_what_is_no_image(image: Any, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        Client("http://127.0.0.1:9").inspect(image)
