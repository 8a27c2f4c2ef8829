"""A station's drift monitors: counted in order, kept through kills, and decided about by a person."""

from __future__ import annotations

import json
import logging
import signal
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from excision.errors import SettingsError, StationError
from excision.inspection.drift import DriftMonitor, DriftSettings, DriftWarning
from excision.inspection.drift.reference import reference_of
from excision.inspection.fingerprint import fingerprint
from excision.runtime.inspector import Inspector
from excision.station.drift import Drift
from excision.station.store.drift_states import read_state
from excision.station.store.records import StoredResult
from excision.station.store.store import Store
from tests.station.conftest import Start, noise

EXPORTED = Path(__file__).parents[1] / "compatibility" / "format_1" / "exported"
MODEL, WEIGHTS = "fabric", "0123456789ab"
QUICK = DriftSettings(block=5, parts_per_false_warning=20_000, learning=100)


def results(count: int, seed: int = 0, shift: float = 0.0, version: str = WEIGHTS) -> list[StoredResult]:
    """Results of a line whose brightness is shifted; a few parts are defective, and one in 50 fails."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(count):
        score = float(random.normal(1, 0.2)) + 5 * (random.random() < 0.02)
        found.append(
            StoredResult(
                time=1e9 + number,
                source=f"part_{seed}_{number}.png",
                model=MODEL,
                model_version=version,
                threshold=3.0,
                score=score,
                verdict="defect" if score > 3 else "good",
                image_statistics={"brightness": float(random.normal(100 + shift, 4)), "flat": 1.0},
            )
            if number % 50
            else StoredResult(1e9 + number, "broken.png", MODEL, version, 3.0, error="damaged")
        )
    return found


def add(store: Store, drift: Drift, found: list[StoredResult], together: int = 7) -> None:
    """Keep results and count them, a few at a time, as a station does."""
    for first in range(0, len(found), together):
        batch = found[first : first + together]
        numbers = store.add(batch)
        drift.count([replace(r, id=n or 0) for r, n in zip(batch, numbers, strict=True)])


def monitors(store: Store, warned: list[DriftWarning] | None = None) -> Drift:
    told = None if warned is None else lambda _, warning: warned.append(warning)
    return Drift(store, lambda *_: None, told, QUICK)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "results.sqlite")
    yield opened
    opened.close()


def test_a_killed_station_continues_bit_for_bit(tmp_path: Path) -> None:
    found = [*results(700), *results(300, seed=1, shift=6)]
    states, told = [], []
    for name, stops in (("whole", ()), ("killed", (1, 130, 333, 334, 720, 840))):
        store = Store(tmp_path / f"{name}.sqlite")
        warned: list[DriftWarning] = []
        drift = monitors(store, warned)
        for first, last in zip((0, *stops), (*stops, len(found)), strict=True):
            # A kill: nothing is closed, and what was in memory is lost.
            drift = monitors(store, warned) if first else drift
            add(store, drift, found[first:last])
        drift.close()
        stored = read_state(store, MODEL, WEIGHTS)
        assert stored is not None
        states.append(stored.state)
        told.append(warned)
        store.close()
    assert states[0] == states[1]
    assert told[0] == told[1]
    (warning,) = told[0]
    assert (warning.statistic, warning.direction) == ("brightness", "higher")
    assert warning.since_label.startswith("#")


def test_a_warning_is_in_the_history_and_decided_about(store: Store) -> None:
    drift = monitors(store)
    add(store, drift, [*results(700), *results(200, seed=1, shift=6)])
    standing = drift.standing(MODEL, WEIGHTS)
    assert standing["warning"]["statistic"] == "brightness"
    assert [s["name"] for s in standing["statistics"]] == ["score", "brightness", "flat"]
    assert "brightness has been higher" in standing["standing"]
    drift.decide(MODEL, WEIGHTS, "accept", "M. Weber", "new lot")
    assert drift.standing(MODEL, WEIGHTS)["warning"] is None
    # A decision outlives the process at once.
    assert monitors(store).standing(MODEL, WEIGHTS)["warning"] is None
    add(store, drift, results(500, seed=2, shift=6))
    assert drift.standing(MODEL, WEIGHTS)["warning"] is None
    undone, warning = store.history(MODEL)
    assert (undone["what"], undone["who"], undone["details"]["note"]) == (
        "drift: accept",
        "M. Weber",
        "new lot",
    )
    assert warning["what"] == "drift"
    assert warning["details"]["warning"] == standing["warning"]


@pytest.mark.parametrize("decision", ["accept", "mended", "restart"])
def test_an_undone_decision_never_was(tmp_path: Path, decision: Any) -> None:
    found, later = [*results(700), *results(200, seed=1, shift=6)], results(120, seed=2, shift=6)
    states = []
    for name, decided in (("left", False), ("undone", True)):
        store = Store(tmp_path / f"{name}.sqlite")
        drift = monitors(store)
        add(store, drift, found)
        if decided:
            drift.decide(MODEL, WEIGHTS, decision)
            assert drift.standing(MODEL, WEIGHTS)["undo"]
        add(store, drift, later)
        if decided:
            drift.decide(MODEL, WEIGHTS, "undo")
        states.append({**drift.standing(MODEL, WEIGHTS)})
        store.close()
    assert states[0] == states[1]
    assert states[0]["warning"] is not None and not states[0]["undo"]


def test_decisions_that_make_no_sense(store: Store) -> None:
    drift = monitors(store)
    add(store, drift, results(20))
    for decision in ("accept", "mended"):
        with pytest.raises(SettingsError, match="no drift warning"):
            drift.decide(MODEL, WEIGHTS, decision)
    with pytest.raises(SettingsError, match="undone"):
        drift.decide(MODEL, WEIGHTS, "undo")
    assert store.history(MODEL) == []


def test_each_model_version_has_its_own_monitor_and_thresholds_do_not_matter(store: Store) -> None:
    drift = monitors(store)
    add(store, drift, results(100))
    add(store, drift, results(60, seed=1, version="ba9876543210"))
    add(store, drift, results(40, seed=2, version=f"{WEIGHTS}.aaaaaaaaaaaa"))
    # One in 50 failed.
    assert drift.standing(MODEL, WEIGHTS)["parts"] == 98 + 39
    assert drift.standing(MODEL, "ba9876543210")["parts"] == 58


def test_a_new_monitor_does_not_count_what_was_before_it(store: Store) -> None:
    store.add(results(100))
    drift = monitors(store)
    assert drift.standing(MODEL, WEIGHTS)["parts"] == 0
    add(store, drift, results(50, seed=1))
    assert drift.standing(MODEL, WEIGHTS)["parts"] == 49


def test_trouble_with_the_file_stops_nothing(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    drift = monitors(store)
    add(store, drift, results(100))
    lost = results(10, seed=1)
    store.add(lost)
    store.path.rename(store.path.with_suffix(".away"))
    with caplog.at_level(logging.ERROR):
        drift.count([StoredResult(1.0, "a", "other", WEIGHTS, 1.0, id=5)])
    assert "could not go on" in caplog.text
    store.path.with_suffix(".away").rename(store.path)
    add(store, drift, results(10, seed=2))


def test_a_damaged_state_starts_anew_and_says_so(store: Store) -> None:
    drift = monitors(store)
    add(store, drift, results(100))
    drift.close()
    with store.transaction() as connection:
        connection.execute("UPDATE drift SET state = substr(state, 1, 100)")
    again = monitors(store)
    add(store, again, results(50, seed=1))
    assert again.standing(MODEL, WEIGHTS)["parts"] == 49
    assert "damaged" in store.history(MODEL)[0]["details"]["note"]


def test_another_threshold_starts_the_scores_anew_and_nothing_else(store: Store) -> None:
    drift = monitors(store)
    add(store, drift, results(400))
    add(store, drift, [replace(r, threshold=1.1) for r in results(5, seed=1)])
    learning = {s["name"]: s["learning"] for s in drift.standing(MODEL, WEIGHTS)["statistics"]}
    assert learning == {"score": True, "brightness": False, "flat": False}


def test_a_killed_service_counts_every_part(start: Start) -> None:
    line = EXPORTED
    service = start(model=line)
    client = service.client
    for seed in range(30):
        client.inspect(noise(seed), source=f"{seed}.png")
    service.stop(signal.SIGKILL)
    service = start(model=line)
    # A monitor is up to date from the start on, before anybody asks for it.
    assert b'excision_drift_parts{model="exported"} 30.0' in service.ask("GET", "/metrics")[2]
    standing = service.client.drift()
    assert standing["parts"] == 30
    assert standing["statistics"][0]["name"] == "score"
    with pytest.raises(StationError, match="no drift warning"):
        service.client.decide_drift("accept")
    status, _, text = service.ask("GET", "/metrics")
    assert status == 200
    assert b'excision_drift_parts{model="exported"} 30.0' in text
    assert b'excision_drift_warning{model="exported"} 0.0' in text
    assert b"excision_drift_warnings_total 0.0" in text
    assert service.json("GET", "/v1/models/none/drift")[0] == 404
    service.stop(signal.SIGTERM)
    # An independent count of the same results ends with the same monitor.
    with sqlite3.connect(service.data / "results.sqlite") as connection:
        rows = connection.execute(
            "SELECT state FROM drift WHERE weights = ?", (fingerprint(line),)
        ).fetchall()
        inspected = connection.execute(
            "SELECT id, source, score, verdict FROM results WHERE verdict IS NOT NULL ORDER BY id"
        ).fetchall()
    state = json.loads(rows[0][0])
    monitor = DriftMonitor.restored(state["monitor"])
    assert monitor.parts == len(inspected) == 30
    again = DriftMonitor(reference=_reference(line))
    for number, source, score, verdict in inspected:
        again.update(score, {}, flagged=verdict != "good", label=f"#{number} {source}")
    assert again.to_json() == monitor.to_json()


def _reference(line: Path) -> Any:
    inspector = Inspector(line)
    review = inspector.review_threshold
    return reference_of(inspector, inspector.threshold if review is None else review)
