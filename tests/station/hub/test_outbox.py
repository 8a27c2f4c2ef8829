"""What a station sends arrives once, whatever either database forgets, and nobody writes for another."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from excision.errors import SettingsError, StationError
from excision.station.client import Client
from excision.station.hub.database import Database
from excision.station.hub.intake import Intake
from excision.station.hub.messages import Message
from excision.station.hub.store import HubStore
from excision.station.outbox.rows import Rows as Sent
from excision.station.outbox.settings import OutboxSettings
from excision.station.parts.rows import Part, add_part, close_parts
from excision.station.parts.verdict import PartVerdict
from excision.station.store.records import Label, Withdrawal
from excision.station.store.sequence import FORMAT, STREAMS, Place
from tests.station.hub.comparing import Rows, of_hub, of_station, wrong_counts
from tests.station.hub.conftest import BeginLine, Hub, Line


def lacking(hub: Hub, line: Line) -> dict[str, tuple[Rows, Rows]]:
    """Give, by table, what the hub lacks of a station, and what it has beyond it."""
    there, here = of_hub(hub.database), of_station(line.data, line.name)
    found = {}
    for table, rows in here.items():
        own = type(rows)({row: n for row, n in there[table].items() if row[0] == line.name})
        if own != rows:
            found[table] = (rows - own, own - rows)
    assert wrong_counts(hub.database) == []
    return found


def test_rows_arrive_once_and_in_order(hub: Hub, begin_line: BeginLine) -> None:
    line = begin_line()
    numbers = line.inspect(40)
    for number in numbers[::3]:
        line.label(number)
    with closing(line.store()) as store:
        store.note("parts", "thresholds", {"threshold": 2.0}, who="Ada")
    state = line.send()
    assert (state.pushed, state.refused, state.remark) == (40 + 14 + 1, 0, None)
    assert lacking(hub, line) == {}
    order = hub.ask("SELECT number FROM results WHERE station = %s ORDER BY id", line.name)
    assert [number for (number,) in order] == numbers
    # A label of an old result comes later, and counts.
    line.label(numbers[0], "good")
    line.inspect(3)
    assert line.send().pushed == 4
    assert lacking(hub, line) == {}


def test_a_label_that_is_withdrawn_does_not_count_at_the_hub_either(hub: Hub, begin_line: BeginLine) -> None:
    line = begin_line()
    numbers = line.inspect(2, lot="7", view="top")
    with closing(line.store()) as store:
        store.label(numbers[0], Label("good", "Bo", "", time.time()))
        store.label(numbers[0], Label("defect", "Ada", "", time.time(), "scratch"))
        assert line.send().refused == 0
        said = "SELECT truth, defect_class FROM results WHERE station = %s ORDER BY id"
        assert hub.ask(said, line.name) == [("defect", "scratch"), (None, None)]
        store.withdraw(
            numbers[0], store.labels(numbers[0])[1].id, Withdrawal("Ada", "other part", time.time())
        )
        expected = store.labels(numbers[0])
    assert line.send().refused == 0
    assert hub.ask(said, line.name) == [("good", None), (None, None)]
    assert lacking(hub, line) == {}
    database = Database(hub.database)
    (number,) = hub.ask("SELECT min(id) FROM results WHERE station = %s", line.name)[0]
    assert HubStore(database).labels(number) == expected
    database.close()


def test_what_postgresql_cannot_hold_arrives_all_the_same(hub: Hub, begin_line: BeginLine) -> None:
    line = begin_line()
    odd = [
        "nul \0 in it",
        "x" * 500,
        "Prüfstand \N{GRINNING FACE}",
        "a\tb\nc",
        "'; DROP TABLE results; --",
        "%s",
    ]
    for source in odd:
        line.inspect(1, source=source)
    line.inspect(1, verdict=None, score=None, error="cannot be read", image_statistics={})
    line.inspect(1, verdict="unfit", unfit=("dark",), threshold=float("inf"), file_size=2**62)
    line.send()
    found = hub.ask("SELECT source FROM results WHERE station = %s ORDER BY id", line.name)
    assert [source for (source,) in found][: len(odd)] == [source.replace("\0", "\\x00") for source in odd]
    assert hub.ask("SELECT count(*) FROM results WHERE station = %s", line.name) == [(len(odd) + 2,)]


def test_a_hub_from_an_old_backup_gets_what_it_lacks(hub: Hub, begin_line: BeginLine) -> None:
    line = begin_line()
    numbers = line.inspect(30)
    line.label(numbers[20])
    line.send()
    marks = dict(hub.ask("SELECT number, fingerprint FROM results WHERE station = %s", line.name))
    hub.change("DELETE FROM results WHERE station = %s AND number > %s", line.name, numbers[9])
    hub.change(
        "UPDATE places SET number = %s, fingerprint = %s WHERE station = %s AND stream = 'results'",
        numbers[9], marks[numbers[9]], line.name,
    )  # fmt: skip
    hub.change("DELETE FROM places WHERE station = %s AND stream = 'labels'", line.name)
    state = line.send()
    assert state.pushed == 20 + 1
    assert "hub had fewer rows" in (state.remark or "")
    assert lacking(hub, line) == {}


def test_a_new_hub_gets_everything(hub: Hub, begin_line: BeginLine) -> None:
    line = begin_line()
    line.inspect(10)
    line.send()
    hub.change("DELETE FROM stations WHERE name = %s", line.name)
    assert line.send().pushed == 10
    assert lacking(hub, line) == {}


@pytest.mark.parametrize("since", [1, 9])
def test_a_station_from_an_old_backup_loses_nothing(hub: Hub, begin_line: BeginLine, since: int) -> None:
    """It gives numbers again that it had given before: both results stay, each under its own fingerprint."""
    line = begin_line()
    line.inspect(4)
    line.send()
    line.inspect(3)
    backup = line.data.with_name("backup")
    shutil.copytree(line.data, backup)
    lost = line.inspect(5)
    line.label(lost[0])
    line.send()
    gone = of_station(line.data, line.name)
    shutil.rmtree(line.data)
    backup.rename(line.data)
    again = line.inspect(since)
    line.label(again[0], "good")
    assert again[0] == lost[0], "the number is given a second time"
    state = line.send()
    assert "does not have" in (state.remark or "")
    lacks = lacking(hub, line)
    assert all(not missing for missing, _ in lacks.values()), "everything of the station is at the hub"
    assert {table: beyond for table, (_, beyond) in lacks.items()} == {
        table: gone[table] - of_station(line.data, line.name)[table] for table in ("results", "labels")
    }, "and what the station has lost is still there"
    assert line.send().remark is None, "from here on they agree"
    assert hub.ask("SELECT resets FROM stations WHERE name = %s", line.name) == [(1,)]


def test_another_station_of_the_same_name_is_refused(hub: Hub, begin_line: BeginLine, tmp_path: Path) -> None:
    line = begin_line()
    line.inspect(2)
    line.send()
    other = begin_line(line.name, tmp_path / "other")
    other.inspect(3)
    state = other.send(until=lambda found: found.trouble is not None)
    assert "another station is called" in (state.trouble or "")
    assert state.total == 3, "nothing of it is lost"
    assert lacking(hub, line) == {}


def test_a_copy_of_a_station_elsewhere_is_refused(hub: Hub, begin_line: BeginLine, tmp_path: Path) -> None:
    line = begin_line()
    line.inspect(2)
    line.send()
    shutil.copytree(line.data, tmp_path / "copy")
    copy = begin_line(line.name, tmp_path / "copy")
    copy.inspect(1)
    assert "a copy of" in (copy.send(until=lambda found: found.trouble is not None).trouble or "")
    # A minute after the first was last heard, it has moved.
    hub.change("UPDATE stations SET last_seen = last_seen - 61 WHERE name = %s", line.name)
    copy.send()
    assert lacking(hub, copy) == {}


def test_one_of_two_processes_of_a_folder_sends(hub: Hub, begin_line: BeginLine) -> None:
    line = begin_line()
    line.inspect(50)
    states: list[Any] = []
    threads = [threading.Thread(target=lambda: states.append(line.send(lambda s: not s.total))) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(state.pushed for state in states) <= 50
    assert lacking(hub, line) == {}


def test_labels_of_removed_results_are_kept_apart(hub: Hub, begin_line: BeginLine) -> None:
    line = begin_line()
    numbers = line.inspect(6)
    line.label(numbers[5])
    with closing(sqlite3.connect(line.data / "results.sqlite")) as connection, connection:
        connection.execute("DELETE FROM results WHERE id = ?", (numbers[5],))
    line.inspect(2)
    state = line.send()
    assert state.refused == 1
    assert hub.ask("SELECT stream, reason FROM refused WHERE station = %s", line.name) == [
        ("labels", "the result that it belongs to is not at the hub")
    ]
    line.send()
    assert hub.ask("SELECT count(*) FROM results WHERE station = %s", line.name) == [(7,)]


def test_parts_are_sent_in_turn_once_they_have_their_verdicts(hub: Hub, begin_line: BeginLine) -> None:
    line, now = begin_line(), time.time()
    with closing(line.store()) as store:
        with store.transaction() as connection:
            parts = [add_part(connection, Part(now, ("top", "side"))) for _ in range(3)]
        for part in parts:
            line.inspect(1, part=part.id, view="top", time=now)
        verdicts: tuple[PartVerdict, ...] = ("defect", "good", "fault")
        first, second, third = (
            replace(part, closed=now + 1, verdict=verdict, reason="top: defect", serial="S", lot="L")
            for part, verdict in zip(parts, verdicts, strict=True)
        )
        said = "SELECT number, verdict FROM parts WHERE station = %s ORDER BY number"
        close_parts(store, [first, third])
        line.send()
        assert hub.ask(said, line.name) == [(1, "defect")], "the third waits behind the second"
        assert hub.ask("SELECT count(lot) FROM results WHERE station = %s", line.name) == [(2,)]
        close_parts(store, [second])
        line.send()
        assert hub.ask(said, line.name) == [(1, "defect"), (2, "good"), (3, "fault")]
    assert lacking(hub, line) == {}
    assert wrong_counts(hub.database) == []
    # A lot that is known once the part is whole holds for rows that were sent before.
    assert hub.ask("SELECT DISTINCT lot, serial FROM results WHERE station = %s", line.name) == [("L", "S")]


def test_a_station_of_the_first_format_has_no_parts(hub: Hub, begin_line: BeginLine) -> None:
    line = begin_line()
    after = {stream: [0, ""] for stream in STREAMS if stream != "parts"}
    for stands in (after, {**after, "events": [1, "x"]}):
        body = message(line, format=1, after=stands, to={**after, "events": [1, "x"]}, rows={})
        status, answer = hub.service.json("POST", "/hub/push", body)
        assert status == 200 and answer["places"]["parts"] == [0, ""]


def message(line: Line, **more: Any) -> dict[str, Any]:
    known = {
        "format": FORMAT,
        "version": "1",
        "station": line.name,
        "identity": f"secret of {line.name}",
        "home": "",
        "page": "",
        "sent": time.time(),
    }
    return {**known, **more}


NOWHERE: dict[str, Any] = {stream: [0, ""] for stream in STREAMS}


def test_a_bad_row_holds_up_no_other(hub: Hub, begin_line: BeginLine) -> None:
    line = begin_line()
    good: dict[str, Any] = {
        "id": 1,
        "time": 1.5,
        "source": "a",
        "model": "m",
        "model_version": "v",
        "threshold": 1.0,
    }
    good |= {"score": 0.5, "verdict": "good", "error": None, "file_size": None, "file_mtime_ns": None}
    bad: list[dict[str, Any]] = [
        {**good, "time": 1e300},
        {**good, "time": "yesterday"},
        {**good, "verdict": "fine"},
        {**good, "verdict": None},
        {**good, "boxes": "[[1, 2"},
        {**good, "boxes": '[["a", 1, 2, 3]]'},
        {**good, "width": 2**63},
        {**good, "unfit": '["dark"]'},
        {**good, "score": float("nan")},
        {**good, "id": -400},
        {"id": 7},
        {},
    ]
    rows = [{**row, "id": row.get("id", 0) + n} for n, row in enumerate(bad, start=1) if row]
    to = {**NOWHERE, "results": [100, "f"], "events": [0, "\0\ud800"]}
    body = message(line, after=NOWHERE, to=to, rows={"results": [good, *rows, {}, {**good, "id": 99}]})
    status, answer = hub.service.json("POST", "/hub/push", body)
    assert (status, answer["added"]) == (200, 2), answer
    assert answer["refused"] == len(bad)
    # The same again is told where the hub stands, and adds nothing.
    assert hub.service.json("POST", "/hub/push", body)[0] == 412
    again = {**body, "after": to}
    assert hub.service.json("POST", "/hub/push", again)[1]["added"] == 0
    for page in ("/", "/review", f"/review?station={line.name}".replace(" ", "+")):
        assert hub.service.ask("GET", page)[0] == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"format": 1}', json.dumps({"rows": {"x": []}}).encode()],
)
def test_what_is_no_message_is_refused(hub: Hub, body: bytes) -> None:
    assert hub.service.json_of("POST", "/hub/push", body)[0] == 422


def test_too_large_and_too_new_messages_are_refused(hub: Hub, begin_line: BeginLine) -> None:
    line = begin_line()
    status, answer = hub.service.json("POST", "/hub/push", message(line, format=3))
    assert (status, "update the older" in answer["detail"]) == (409, True)
    assert hub.service.json_of("POST", "/hub/push", b" " * (5 * 2**20))[0] == 413
    for page in ("javascript:alert(1)", "http://a b", 'https://"x'):
        assert hub.service.json("POST", "/hub/push", message(line, page=page))[0] == 422


def test_the_same_results_are_not_taken_under_two_names(hub: Hub, begin_line: BeginLine) -> None:
    line = begin_line()
    assert hub.service.json("POST", "/hub/push", message(line))[0] == 200
    status, answer = hub.service.json("POST", "/hub/push", message(line, station=f"{line.name} again"))
    assert (status, f"known here as those of {line.name}:" in answer["detail"]) == (409, True)
    assert hub.ask("SELECT count(*) FROM stations WHERE name = %s", f"{line.name} again") == [(0,)]


def test_more_boxes_than_can_be_sent_hold_up_nothing(hub: Hub, begin_line: BeginLine) -> None:
    line = begin_line()
    line.inspect(1, boxes=((1, 2, 3, 4),) * 200_000)
    line.inspect(1)
    line.send()
    found = hub.ask("SELECT boxes FROM results WHERE station = %s ORDER BY number", line.name)
    assert found == [("[]",), ("[[1, 2, 3, 4]]",)]


def test_a_key_is_not_shown_to_another_address(begin_line: BeginLine) -> None:
    asked: list[str] = []

    class Redirects(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Redirects) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        with pytest.raises(StationError, match="redirects to another address"):
            Client(url, key="the key of the station").models()
        line = begin_line(url=url, key="the key of the hub")
        line.inspect(1)
        state = line.send(until=lambda found: found.trouble is not None)
        server.shutdown()
        thread.join()
    assert "redirects" in (state.trouble or "")
    assert set(asked) == {"/v1/models", "/hub/push"}


def test_settings_are_checked() -> None:
    for url in (
        "",
        "hub",
        "ftp://hub",
        "http://user:pass@hub",
        "http://hub?x=1",
        "http://[",
        "http://hub:99999",
    ):
        with pytest.raises(SettingsError, match="hub-url"):
            OutboxSettings(url, "a")
    for name in ("", " a", "a\n", "x" * 65):
        with pytest.raises(SettingsError, match="station"):
            OutboxSettings("http://hub", name)
    assert "secret" not in repr(OutboxSettings("http://hub", "a", key="secret"))


def test_a_hub_that_is_away_costs_a_station_nothing(begin_line: BeginLine) -> None:
    line = begin_line(url="http://127.0.0.1:9")
    line.inspect(5)
    state = line.send(until=lambda found: found.trouble is not None and found.total == 5)
    assert state.since is not None
    assert "no answer from the hub" in (state.trouble or "")


def test_refused_rows_are_kept_up_to_a_number_and_counted_beyond(
    hub: Hub, begin_line: BeginLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("excision.station.hub.rows.MOST_REFUSED", 5)
    line, database = begin_line(), Database(hub.database)
    with closing(database):
        intake, stands = Intake(database), NOWHERE
        for batch in range(3):
            to = {**NOWHERE, "results": [batch + 1, "f"]}
            bad = [{"id": 10 * batch + place} for place in range(4)]
            content = message(line, after=stands, to=to, rows={"results": bad})
            told, stands = intake.take(Message.model_validate(content)), to
            assert told.refused == 4 * (batch + 1)
        (station,) = (each for each in HubStore(database).stations() if each.name == line.name)
    assert station.refused == 12
    assert hub.ask("SELECT count(*) FROM refused WHERE station = %s", line.name) == [(5,)]


def test_who_sends_slowly_holds_up_nobody(hub: Hub, begin_line: BeginLine) -> None:
    """Sixteen may send at once, and four are taken at once."""
    slow = []
    try:
        for _ in range(8):
            found = socket.create_connection(("127.0.0.1", hub.service.port))
            found.sendall(b"POST /hub/push HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n{")
            slow.append(found)
        time.sleep(0.3)
        begun = time.monotonic()
        assert hub.service.json("POST", "/hub/push", message(begin_line()))[0] == 200
        assert time.monotonic() - begun < 10
    finally:
        for found in slow:
            found.close()


def test_a_long_label_is_not_said_to_lose_its_boxes(begin_line: BeginLine, caplog: Any) -> None:
    line = begin_line()
    (number,) = line.inspect(1)
    with closing(line.store()) as store:
        store.label(number, Label("good", "Ada", "x" * (2**21 + 1), time.time()))
        # A row that is this large is sent alone.
        first = Sent(store, 100).batch({stream: Place() for stream in STREAMS})
        batch = Sent(store, 100).batch(first.to)
    assert len(batch.rows["labels"]) == 1 and "boxes" not in batch.rows["labels"][0]
    said = {record.getMessage() for record in caplog.records}
    assert said == {"hub: row 1 of labels is large and sent as it is"}
