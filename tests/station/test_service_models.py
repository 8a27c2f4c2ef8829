"""Models of a running service: what takes over, what does not, and the way back."""

from __future__ import annotations

import json
import shutil
import signal
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from excision.detector import Detector
from excision.errors import ModelError, SettingsError
from excision.inspection.fingerprint import fingerprint
from excision.runtime.golden_file import GOLDEN, Golden
from excision.runtime.inspector import Inspector
from excision.runtime.model_folder import Description
from excision.station.models.registry import ModelRegistry, named_folders
from excision.station.store.query import Query
from excision.station.store.store import Store
from tests.station.conftest import Service, Start, serve
from tests.station.lines import until

NAMES = ("threshold", "review_threshold")


@pytest.fixture(scope="module")
def shelf(line: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models: a good one with other thresholds, a drifting one, a damaged one and none.

    Tests must not change it.
    """
    below = tmp_path_factory.mktemp("shelf") / "models"
    for name in ("next", "drifting", "damaged"):
        shutil.copytree(line, below / name)
    Inspector(below / "next").recalibrate([1.0, 2.0, 3.0], 0.4, 0.6)
    golden = Golden.load(line)
    Golden(golden.images, golden.scores * 1.5, golden.maps).save(below / "drifting")
    replace(Description.load(line), data="other").sealed(below / "drifting").save(below / "drifting")
    (below / "damaged" / "model.onnx").write_bytes(b"no graph")
    Description.load(line).sealed(below / "damaged").save(below / "damaged")
    (below / "empty").mkdir()
    return below


def current(service: Service) -> dict[str, object]:
    found: dict[str, object] = service.json("GET", "/v1/models/fabric")[1]["current"]
    return found


def test_another_version_takes_over_and_goes_back(
    start: Start, shelf: Path, line: Path, pictures: list[Path]
) -> None:
    service = start("--models", shelf)
    first = service.client.inspect(pictures[0])
    assert first.model_version == fingerprint(line)
    status, answer = service.json("POST", "/v1/models/fabric/load", {"folder": "next", "who": "M. Weber"})
    assert status == 200
    assert answer["current"]["version"] == fingerprint(shelf / "next") != first.model_version
    second = service.client.inspect(pictures[0])
    inspector = Inspector(shelf / "next", 1)
    assert (second.threshold, second.review_threshold) == (inspector.threshold, inspector.review_threshold)
    assert (second.score, second.verdict) == (first.score, inspector.inspect(pictures[0]).verdict)
    # The map of the first is still that of its own version.
    assert service.client.view(first.id, "map_tiff") == service.client.view(second.id, "map_tiff")
    assert service.client.view(first.id, "map") != service.client.view(second.id, "map")
    status, answer = service.json("POST", "/v1/models/fabric/rollback", {"who": "M. Weber"})
    assert (status, answer["current"]["version"]) == (200, first.model_version)
    assert service.client.inspect(pictures[0]).threshold == first.threshold
    _, history = service.json("GET", "/v1/models/fabric/history")
    events = [(event["what"], event["details"]["version"], event["who"]) for event in history["events"]]
    assert events == [
        ("rolled back", first.model_version, "M. Weber"),
        ("loaded", second.model_version, "M. Weber"),
        ("loaded", first.model_version, "start"),
    ]


UNPROVEN = {
    "drifting": "drifts",
    "damaged": "cannot be loaded as a graph",
    "empty": "neither a run folder (model.safetensors) nor an exported folder (model.json)",
    "absent": "no model 'absent'",
    **dict.fromkeys(("../next", "..", "next/../damaged", "/etc", ""), "no name of a model"),
}


def test_what_does_not_prove_itself_does_not_take_over(
    start: Start, shelf: Path, pictures: list[Path]
) -> None:
    service = start("--models", shelf)
    before = current(service)
    for folder, reason in UNPROVEN.items():
        status, answer = service.json("POST", "/v1/models/fabric/load", {"folder": folder})
        assert status == 422, folder
        assert reason in answer["detail"]
        assert current(service) == before, folder
        assert service.client.inspect(pictures[0]).model_version == before["version"], folder


def test_nothing_is_loaded_that_was_not_allowed(start: Start) -> None:
    service = start()
    assert service.json("POST", "/v1/models/fabric/load", {"folder": "next"})[0] == 422
    assert service.json("POST", "/v1/models/other/load", {"folder": "next"})[0] == 404
    status, answer = service.json("POST", "/v1/models/fabric/rollback", {})
    assert status == 422
    assert "no earlier version" in answer["detail"]


def test_thresholds_hold_from_the_next_image_on_and_after_a_restart(
    start: Start, line: Path, pictures: list[Path]
) -> None:
    scores = sorted(Inspector(line, 1).inspect(path).score for path in pictures)
    low, high = scores[1], scores[-2]
    service = start()
    plain = service.client.inspect(pictures[0])
    new = {"threshold": high, "review_threshold": low, "who": "M. Weber", "note": "new lamp"}
    status, answer = service.json("POST", "/v1/models/fabric/thresholds", new)
    assert status == 200
    assert answer["previous"]["version"] == plain.model_version
    version = answer["current"]["version"]
    assert version not in ("", plain.model_version)
    for path in pictures:
        found = service.client.inspect(path)
        assert found.score is not None
        expected = "defect" if found.score > high else "review" if found.score > low else "good"
        assert (found.verdict, found.threshold, found.review_threshold) == (expected, high, low)
        assert found.model_version == version
    assert service.stop(signal.SIGTERM) == 0
    service = start()
    assert current(service)["version"] == version
    assert service.client.view(plain.id, "overlay"), "the weights are the same, so its maps can be computed"
    assert Description.load(line).calibration.threshold == plain.threshold, "the folder is never written to"


def test_the_grey_zone_stays_unless_the_request_says_otherwise(start: Start) -> None:
    service = start()
    before = current(service)
    assert before["review_threshold"] is None

    def ask(**new: object) -> tuple[int, Any]:
        status, answer = service.json("POST", "/v1/models/fabric/thresholds", new)
        return status, answer.get("detail") or [answer["current"][name] for name in NAMES]

    assert ask(threshold=6.5) == (200, [6.5, None])
    assert ask(threshold=5, review_threshold=4) == (200, [5, 4])
    assert ask(threshold=6.5) == (200, [6.5, 4])
    for low in (4, 3):
        status, detail = ask(threshold=low)
        assert status == 422
        assert f"begins at 4, which is not below the new threshold {low}: give a lower" in detail
        assert [current(service)[name] for name in NAMES] == [6.5, 4], "nothing is changed"
    assert ask(threshold=3, review_threshold=2.5) == (200, [3, 2.5])
    assert ask(threshold=3, review_threshold=None) == (200, [3, None])
    assert ask(threshold=2) == (200, [2, None])


@pytest.mark.parametrize(
    "new",
    [
        {"threshold": 0},
        {"threshold": -1},
        {"threshold": 1, "review_threshold": 2},
        {"threshold": 1, "review_threshold": 0},
        {"threshold": "x"},
        {},
    ],
)
def test_odd_thresholds_change_nothing(service: Service, new: dict[str, object]) -> None:
    before = current(service)
    assert service.json("POST", "/v1/models/fabric/thresholds", new)[0] == 422
    assert current(service) == before


def test_infinite_thresholds_are_refused(service: Service) -> None:
    for text in (b'{"threshold": NaN}', b'{"threshold": Infinity}', b'{"threshold": 1e999}'):
        status, _, _ = service.ask(
            "POST", "/v1/models/fabric/thresholds", text, Content_Type="application/json"
        )
        assert status == 422


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_a_hangup_loads_a_changed_folder(start: Start, line: Path, shelf: Path, tmp_path: Path) -> None:
    folder = tmp_path / "fabric"
    shutil.copytree(line, folder)
    service = start(model=folder, log=tmp_path / "log")
    before = current(service)
    (folder / "model.onnx").write_bytes(b"no graph")
    service.process.send_signal(signal.SIGHUP)
    until(lambda: "fabric is unchanged" in (tmp_path / "log").read_text("utf-8"))
    assert current(service) == before
    shutil.copytree(shelf / "next", folder, dirs_exist_ok=True)
    service.process.send_signal(signal.SIGHUP)
    until(lambda: current(service) != before)
    assert current(service)["version"] == fingerprint(shelf / "next")


def test_verdicts_never_mix_versions_while_one_takes_over(
    start: Start, shelf: Path, pictures: list[Path]
) -> None:
    service = start("--models", shelf)
    stop, seen = threading.Event(), []

    def client() -> None:
        while not stop.is_set():
            seen.append(service.client.inspect(pictures[0]))

    threads = [threading.Thread(target=client) for _ in range(3)]
    for thread in threads:
        thread.start()

    def is_seen(version: str, since: int) -> bool:
        return any(answer.model_version == version for answer in seen[since:])

    versions = {current(service)["version"]: current(service)["threshold"]}
    until(lambda: bool(seen))
    for what, body in (("load", {"folder": "next"}), ("rollback", {}), ("rollback", {})):
        already = len(seen)
        _, answer = service.json("POST", f"/v1/models/fabric/{what}", body)
        versions[answer["current"]["version"]] = answer["current"]["threshold"]
        until(partial(is_seen, answer["current"]["version"], already))
    stop.set()
    for thread in threads:
        thread.join()
    assert {answer.model_version for answer in seen} == set(versions)
    assert all(answer.threshold == versions[answer.model_version] for answer in seen)
    assert len({answer.score for answer in seen}) == 1


def test_several_models_by_name(start: Start, line: Path, shelf: Path, pictures: list[Path]) -> None:
    service = start(f"back={shelf / 'next'}", model=f"front={line}")
    assert [model["name"] for model in service.client.models()] == ["front", "back"]
    assert service.client.inspect(pictures[0]).model == "front"
    found = service.client.inspect(pictures[0], model="back")
    assert (found.model, found.model_version) == ("back", fingerprint(shelf / "next"))
    assert service.ask("POST", "/v1/inspect?model=other", pictures[0].read_bytes())[0] == 404
    assert [answer.model for answer in service.client.results(model="back")] == ["back"]


def test_a_run_folder_inspects_too(start: Start, run: Path, pictures: list[Path]) -> None:
    service = start(model=run)
    answer = service.client.inspect(pictures[0])
    (expected,) = Detector.load(run, device="cpu").predict([pictures[0]])
    assert answer.score == pytest.approx(expected.score, rel=1e-5), "torch may round by its number of threads"
    assert service.client.inspect(pictures[0]).score == answer.score


def test_a_model_that_drifts_does_not_start(shelf: Path, tmp_path: Path) -> None:
    done = serve(shelf / "drifting", "--data", tmp_path / "station", "--port", 0)
    assert done.returncode == 2
    assert "drifts" in done.stderr


def test_a_folder_that_changes_while_it_is_loaded_is_refused(
    line: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "fabric"
    shutil.copytree(line, folder)
    load = Golden.load

    def changing(where: Path) -> Golden:
        content = json.loads((where / "model.json").read_text())
        (where / "model.json").write_text(json.dumps({**content, "data": "other"}))
        return load(where)

    monkeypatch.setattr(Golden, "load", changing)
    with pytest.raises(ModelError, match="changed while it was loaded"):
        ModelRegistry({"fabric": folder}, Store(tmp_path / "results.sqlite"))
    assert (folder / GOLDEN).is_file()


def test_names_of_models(line: Path, tmp_path: Path) -> None:
    assert named_folders(["a/parts", "back=b/parts"]) == {"parts": Path("a/parts"), "back": Path("b/parts")}
    odd = tmp_path / "a=b"
    shutil.copytree(line, odd)
    for words in (["a/x", "b/x"], ["=x"], ["-x=y"], ["a b=y"], [f"{'n' * 65}=y"], [str(odd)]):
        with pytest.raises(SettingsError, match="name"):
            named_folders(words)
    with pytest.raises(SettingsError, match="at least one model"):
        ModelRegistry({}, Store(tmp_path / "results.sqlite"))


def test_scores_do_not_depend_on_what_else_is_under_way(start: Start, pictures: list[Path]) -> None:
    service = start("--workers", 3)
    alone = {path: service.client.inspect(path).score for path in pictures}
    threads = [
        threading.Thread(target=lambda path=path: service.client.inspect(path, source=path.parent.name))
        for path in pictures * 3
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for path in pictures:
        scores = {answer.score for answer in service.client.results(source=path.parent.name)}
        assert alone[path] in scores
    store = Store(service.data / "results.sqlite")
    assert len({result.score for result in store.walk(Query())}) == len(set(alone.values()))
    assert np.isfinite([score for score in alone.values() if score is not None]).all()
    assert None not in alone.values()
