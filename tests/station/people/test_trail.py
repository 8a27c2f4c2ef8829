"""The audit trail against somebody who writes to the file with SQLite's own tools."""

from __future__ import annotations

import csv
import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from excision.station.people.roles import Role
from excision.station.people.users import Users
from excision.station.store.records import Label
from excision.station.store.settings_trail import CHANGED, note_settings
from excision.station.store.store import Store
from excision.station.store.trail import GENESIS, GUARDS
from excision.station.store.trail_check import verify
from tests.cli.conftest import inside
from tests.station.test_migrations import old as old  # noqa: PLC0414  a fixture, used here too
from tests.station.test_store import GOOD

SIGNED = "id, time, who, model, what, details"
GUARDING = ("events_append", "events_no_update", "events_no_delete")
FREE = "".join(f"DROP TRIGGER IF EXISTS {name};" for name in GUARDING)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with ten events: 1 a user, 2 and 3 thresholds, 4 to 6 labels, 7 to 10 others."""
    found = tmp_path / "results.sqlite"
    with closing(Store(found)) as store:
        store.add([GOOD, replace(GOOD, source="b.png")])
        Users(store).add("Ada", Role.ADMIN, "a good word 9", "test")
        store.note("parts", "thresholds", {"threshold": 2.0}, "Ada")
        store.note("parts", "thresholds", {"threshold": 3.0}, "Ada")
        for place, truth in enumerate(("good", "defect", "good")):
            store.label(1, Label(truth, "Bo", f"note {place}", 5.0 + place))  # type: ignore[arg-type]
        for place in range(4):
            store.note("parts", "loaded", {"version": place})
    return found


def tamper(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def rechained(path: Path) -> None:
    """Write every hash anew, as somebody would who knows how."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(FREE)
        previous = GENESIS
        for row in connection.execute(f"SELECT {SIGNED} FROM events ORDER BY id").fetchall():
            text = json.dumps([previous, *row], separators=(",", ":"))
            previous = hashlib.sha256(text.encode()).hexdigest()
            connection.execute("UPDATE events SET hash = ? WHERE id = ?", (previous, row[0]))


def test_a_trail_as_it_was_written_is_whole(path: Path) -> None:
    found = verify(path)
    assert (found.events, found.fault) == (10, None)
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(f"SELECT {SIGNED}, hash FROM events ORDER BY id").fetchall()
    # The rule as the document states it, written down once more.
    previous = "0" * 64
    for *row, kept in rows:
        previous = hashlib.sha256(
            json.dumps([previous, *row], separators=(",", ":")).encode("ascii")
        ).hexdigest()
        assert previous == kept
    assert found.last == previous
    for *_, each in rows:
        assert verify(path, each).fault is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET who = 'Eve' WHERE id = 2",
        "DELETE FROM events WHERE id = 10",
        "INSERT OR REPLACE INTO events SELECT id, 0, 'Eve', '', what, '{}', hash FROM events WHERE id = 2",
        "INSERT INTO events (time, who, model, what, details) VALUES (1, '', '', 'loaded', '{}')",
    ],
)
def test_the_database_refuses_to_change_it(path: Path, statement: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="audit trail"):
        tamper(path, statement)
    assert verify(path).fault is None


@pytest.mark.parametrize(
    ("statement", "number", "words"),
    [
        ("UPDATE events SET who = 'Eve' WHERE id = 2", 2, "event 2"),
        ("UPDATE events SET time = time + 1e-6 WHERE id = 7", 7, "event 7"),
        ("UPDATE events SET details = x'00ff' WHERE id = 3", 3, "event 3"),
        ("UPDATE events SET details = NULL WHERE id = 3", None, ""),
        ("UPDATE events SET hash = '' WHERE id = 3", 3, "event 3"),
        ("DELETE FROM events WHERE id = 1", 2, "event 2"),
        ("DELETE FROM events WHERE id = 5", 6, "event 6"),
        ("DELETE FROM events WHERE id > 8", 9, "events 9 to 10 were removed"),
        ("DELETE FROM events", 1, "events 1 to 10"),
        ("UPDATE events SET id = 20 WHERE id = 10", 20, "event 20"),
        (
            "INSERT INTO events SELECT 11, time, who, model, what, details, hash FROM events WHERE id = 10",
            11,
            "event 11",
        ),
        ("UPDATE labels SET truth = 'defect' WHERE id = 1", 4, "label 1 was changed"),
        ("UPDATE labels SET who = 'Eve' WHERE id = 2", 5, "label 2 was changed"),
        ("DELETE FROM labels WHERE id = 3", 6, "label 3 was removed"),
        (
            "INSERT INTO labels (result, time, who, truth, note) VALUES (2, 1, 'Eve', 'good', '')",
            None,
            "label 4 has no event",
        ),
    ],
)
def test_what_was_changed_is_found(path: Path, statement: str, number: int | None, words: str) -> None:
    try:
        tamper(path, FREE + statement)
    except sqlite3.IntegrityError:
        return  # NOT NULL stands in the way already
    found = verify(path)
    assert found.fault is not None and words in found.fault and found.number == number
    done = inside("station", "audit", "verify", path.parent)
    assert done.returncode == 1 and words in done.stdout


@pytest.mark.parametrize("cut", [True, False])
def test_an_anchor_finds_what_the_chain_cannot(path: Path, cut: bool) -> None:
    before = verify(path).last
    if cut:
        tamper(path, f"{FREE} DELETE FROM events WHERE id = 10")
        tamper(path, "UPDATE sqlite_sequence SET seq = 9 WHERE name = 'events'")
    else:
        tamper(path, f"{FREE} UPDATE events SET who = 'Eve' WHERE id = 2")
        rechained(path)
    assert "triggers" in str(verify(path).fault)
    tamper(path, GUARDS)
    assert verify(path).fault is None
    found = inside("station", "audit", "verify", path.parent, "--anchor", before.upper())
    assert found.returncode == 1 and "no event has the hash" in found.stdout


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_the_export_has_everything_and_the_last_hash(path: Path, tmp_path: Path, form: str) -> None:
    out = tmp_path / f"trail.{form}"
    done = inside("station", "audit", "export", path.parent, "--out", out, "--format", form)
    assert done.returncode == 0 and verify(path).last in done.stdout
    text = out.read_text("utf-8")
    rows = (
        list(csv.DictReader(text.splitlines()))
        if form == "csv"
        else [json.loads(line) for line in text.splitlines()]
    )
    assert [row["what"] for row in rows][:4] == ["user added", "thresholds", "thresholds", "labelled"]
    assert rows[-1]["hash"] == verify(path).last and rows[0]["utc"].endswith("+00:00")
    assert "a good word" not in text and "argon2" not in text


def test_a_check_changes_nothing(path: Path) -> None:
    before = path.read_bytes()
    assert inside("station", "audit", "verify", path.parent).returncode == 0
    assert path.read_bytes() == before


def test_a_file_without_a_trail_says_so(tmp_path: Path) -> None:
    assert inside("station", "audit", "verify", tmp_path).returncode == 2
    other = tmp_path / "results.sqlite"
    tamper(other, "CREATE TABLE events (id INTEGER PRIMARY KEY, what TEXT)")
    done = inside("station", "audit", "verify", tmp_path)
    assert done.returncode == 2 and "no audit trail yet" in done.stderr
    other.write_bytes(b"no database at all, but long enough to be looked at" * 40)
    assert inside("station", "audit", "verify", tmp_path).returncode == 2


@pytest.mark.parametrize("change", [None, "UPDATE labels SET truth = 'good' WHERE id = 1"])
def test_an_earlier_file_gets_its_hashes(old: Path, change: str | None) -> None:
    Store(old).close()
    found = verify(old)
    assert (found.events, found.fault) == (2, None)
    if change is not None:
        tamper(old, change)
        fault = verify(old).fault
        assert fault is not None and "from before the trail" in fault


def test_changed_settings_are_events(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "results.sqlite")) as store:
        secret = "https://user:pass-word@hub.example/?token=abcdef"
        first = {"alarms": {"unfit_in_a_row": 2}, "signals": {"webhook": {"url": secret}}}
        for given in (first, first, {"alarms": {"unfit_in_a_row": 3}}, {}, {}):
            note_settings(store, given)
        told = [
            json.loads(row["details"])
            for row in store.rows("SELECT details FROM events WHERE what = ? ORDER BY id", (CHANGED,))
        ]
        assert told[0]["alarms.unfit_in_a_row"] == [None, "2"]
        assert told[1]["alarms.unfit_in_a_row"] == ["2", "3"] and told[1]["signals.webhook.url"][1] is None
        assert told[2:] == [{"alarms.unfit_in_a_row": ["3", None]}]
        assert "pass-word" not in str(told) and "abcdef" not in str(told)
        remembered = store.rows("SELECT value FROM remembered")
        assert "pass-word" not in remembered[0]["value"]
        note_settings(store, {"x": {str(number): "y" * 500 for number in range(150)}})
        (last,) = store.rows("SELECT details FROM events ORDER BY id DESC LIMIT 1")
        assert json.loads(last["details"])["more"] == 50 and len(last["details"]) < 30_000
    assert verify(tmp_path / "results.sqlite").fault is None
