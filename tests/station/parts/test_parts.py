"""Views become parts with one verdict each, at their deadline at the latest, whatever ends the process."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from excision.errors import SettingsError, StoreError
from excision.station.parts.codes import Reading
from excision.station.parts.parts import Parts
from excision.station.parts.rows import Part, PartQuery, newest_parts, walk_parts
from excision.station.parts.settings import PartsSettings
from excision.station.parts.verdict import PART_VERDICTS, SEVERITY, PartVerdict, Seen, verdict_of
from excision.station.store.query import Query
from excision.station.store.store import Store
from tests.station.test_store import FAILED, GOOD

TWO = PartsSettings(views=("top", "side"), timeout=30.0)
PLACES = itertools.count()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results.sqlite")


@pytest.fixture
def begin(store: Store) -> Any:
    made: list[Parts] = []

    def make(settings: PartsSettings = TWO) -> Parts:
        made.append(Parts(store, settings))
        return made[-1]

    yield make
    for each in made:
        each.close()


Begin = Callable[..., Parts]


def arrive(
    store: Store, parts: Parts, view: str | None, code: Reading | None = None, **fields: Any
) -> int | None:
    """Do with one result what a station does; give the number of its part."""
    blank = FAILED if fields.get("verdict", "") is None else GOOD
    if fields.get("verdict") == "unfit":
        fields["unfit"] = ("too dark",)
    result = replace(blank, source=f"{next(PLACES)}.png", view=view, **fields)
    (assigned,) = parts.assign([result], [code])
    (number,) = store.add([assigned])
    parts.count([replace(assigned, id=number or 0)])
    return assigned.part


def wait_for(parts: Parts, number: int | None, patience: float = 60.0) -> Part:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = parts.get(number or 0)
        if found is not None and found.verdict is not None:
            return found
        time.sleep(0.01)
    pytest.fail("the part got no verdict")


@pytest.mark.parametrize("views", list(itertools.product(PART_VERDICTS, repeat=2)))
def test_the_worst_view_decides(views: tuple[PartVerdict, PartVerdict]) -> None:
    seen = {name: Seen(verdict) for name, verdict in zip(("top", "side"), views, strict=True)}
    verdict, _ = verdict_of(("top", "side"), seen)
    assert verdict == next(each for each in SEVERITY if each in views)


def test_a_part_of_which_something_is_missing_is_never_good() -> None:
    top = {"top": Seen("good")}
    assert verdict_of(("top", "side"), top) == ("fault", "no picture of side came in time")
    assert verdict_of(("top", "side"), top, "review")[0] == "review"
    assert verdict_of(("top", "side"), {})[0] == "fault"
    # A defect that was seen is one, whatever another view lacks.
    assert verdict_of(("top", "side"), {"top": Seen("defect")}, "review")[0] == "defect"
    no_code = {"top": Seen("good", code="no code found (DataMatrix)"), "side": Seen("good")}
    assert verdict_of(("top", "side"), no_code) == ("fault", "top: no code found (DataMatrix)")


def test_views_of_a_serial_number_are_one_part(store: Store, begin: Begin) -> None:
    parts = begin()
    told: list[Part] = []
    parts.listen(told.append)
    first = arrive(store, parts, "top", serial="A", lot="7")
    other = arrive(store, parts, "top", serial="B", verdict="defect")
    assert first != other
    assert arrive(store, parts, "side", serial="A") == first
    assert arrive(store, parts, "side", serial="B") == other
    assert [(part.serial, part.verdict, part.lot) for part in told] == [
        ("A", "good", "7"),
        ("B", "defect", None),
    ]
    assert [result.view for result in store.walk(Query(part=first))] == ["top", "side"]
    assert parts.waiting == 0
    # The same serial number once more is another part.
    again = arrive(store, parts, "top", serial="A")
    assert again not in (first, other, None)
    found = newest_parts(store, PartQuery(serial="A"), 9)
    assert [(part.id, part.verdict) for part in found] == [(again, None), (first, "good")]
    assert [part.id for part in walk_parts(store, PartQuery())] == [again, other, first]


def test_a_missing_view_is_said_at_the_deadline_and_a_late_one_changes_nothing(
    store: Store, begin: Begin
) -> None:
    parts = begin()
    number = parts.open(serial="A", timeout=0.05)
    part = wait_for(parts, number)
    assert (part.verdict, part.reason) == ("fault", "no picture of top, side came in time")
    assert arrive(store, parts, "side", serial="A", verdict="defect") == number
    assert parts.get(number) == part
    assert parts.waiting == 0


def test_a_late_view_is_expected_for_a_while_only(store: Store, begin: Begin) -> None:
    parts = begin(PartsSettings(views=("top", "side"), timeout=0.1))
    number = arrive(store, parts, "top", serial="A")
    wait_for(parts, number)
    time.sleep(0.2)
    # It is that of the next part with this serial number, though nothing has happened since.
    assert arrive(store, parts, "side", serial="A") == (number or 0) + 1


def test_a_late_view_that_could_not_be_stored_is_late_when_it_comes_again(
    store: Store, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = begin()
    number = parts.open(serial="A", timeout=0.05)
    wait_for(parts, number)
    (assigned,) = parts.assign([replace(GOOD, source="x.png", view="side", serial="A")], [None])
    assert assigned.part == number
    parts.dropped([assigned])
    # Nor where another part of the same batch could not be begun.
    both = [replace(GOOD, source=f"{serial}.png", view="side", serial=serial) for serial in "AB"]

    def full(_: Store) -> Any:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch, pytest.raises(StoreError):
        patch.setattr(Store, "transaction", full)
        parts.assign(both, [None, None])
    assert arrive(store, parts, "side", serial="A") == number
    # And once it is there, the same view once more is that of another part.
    assert arrive(store, parts, "side", serial="A") == number + 1


def test_of_pictures_in_a_folder_their_own_time_says_which_are_late(store: Store) -> None:
    parts = Parts(store, PartsSettings(views=("top", "side"), timeout=0.1), by_clock=False)
    first, second = (arrive(store, parts, "top", serial=serial) for serial in "AB")
    deadline = max((parts.get(number or 0) or Part(0.0, ())).deadline or 0.0 for number in (first, second))
    parts.give_up(deadline + 0.01)
    time.sleep(0.2)
    parts.give_up(deadline + 0.02)
    assert arrive(store, parts, "side", serial="A") == first
    parts.give_up(deadline + 0.2)
    assert arrive(store, parts, "side", serial="B") == (second or 0) + 1
    parts.close()


def test_a_trigger_announces_its_part_and_the_code_of_one_view_names_it(store: Store, begin: Begin) -> None:
    parts = begin(PartsSettings(code="DataMatrix", code_views=("top",)))
    number = parts.open(("top", "side"), lot="7")
    assert arrive(store, parts, "side", part=number) == number
    assert arrive(store, parts, "top", Reading("A-1"), part=number) == number
    part = wait_for(parts, number)
    assert (part.verdict, part.serial, part.lot) == ("good", "A-1", "7")
    assert {result.serial for result in store.walk(Query(part=number))} == {"A-1"}
    silent = parts.open(("top",), timeout=0.05)
    assert wait_for(parts, silent).verdict == "fault"


def test_codes_that_are_missing_or_differ_are_said(store: Store, begin: Begin) -> None:
    parts = begin(PartsSettings(code="DataMatrix"))
    none = arrive(store, parts, None, Reading(fault="no code found (DataMatrix)"))
    assert wait_for(parts, none).reason == "no code found (DataMatrix)"
    other = arrive(store, parts, None, Reading("B"), serial="A", verdict="review")
    part = wait_for(parts, other)
    assert (part.verdict, part.serial) == ("fault", "A")
    assert part.reason == "the code says serial B, but A was given"
    fine = wait_for(parts, arrive(store, parts, None, Reading("C")))
    assert (fine.verdict, fine.reason, fine.serial) == ("good", "", "C")


def test_images_that_cannot_be_inspected_are_faults_and_other_views_no_part(
    store: Store, begin: Begin
) -> None:
    parts = begin()
    number = arrive(store, parts, "top", serial="A", verdict=None)
    arrive(store, parts, "side", serial="A", verdict="unfit")
    part = wait_for(parts, number)
    assert part.verdict == "fault"
    assert part.reason == "top: in/b.png: truncated; side: too dark"
    assert arrive(store, parts, "front", serial="A") is None


def test_a_killed_station_loses_no_part(store: Store, begin: Begin) -> None:
    parts = begin()
    half = arrive(store, parts, "top", serial="A")
    whole = arrive(store, parts, "top", serial="B", verdict="review")
    # Stored, and not counted before the end.
    (assigned,) = parts.assign([replace(GOOD, source="late.png", view="side", serial="B")], [None])
    store.add([assigned])
    again = begin()
    assert again.waiting == 2
    assert arrive(store, again, "side", serial="A") == half
    assert wait_for(again, half).verdict == "good"
    assert wait_for(again, whole).verdict == "review"
    with store.transaction() as connection:
        connection.execute("UPDATE parts SET closed = NULL, verdict = NULL WHERE id = ?", (half,))
        connection.execute("UPDATE parts SET deadline = 1.0 WHERE id = ?", (half,))
    # Its deadline has passed while the station was off.
    assert wait_for(begin(), half).verdict == "good"


@pytest.mark.parametrize("view", ["top", "left\tright", "up\ndown\u2028"])
def test_a_killed_station_remembers_what_was_wrong_with_a_code(store: Store, begin: Begin, view: str) -> None:
    settings = PartsSettings(code="QRCode")
    result = replace(GOOD, source="a.png", view=view, serial="A")
    # Stored, and not counted before the end.
    (assigned,) = begin(settings).assign([result], [Reading(fault="two codes differ")])
    store.add([assigned])
    part = wait_for(begin(settings), assigned.part)
    assert (part.verdict, "two codes differ" in (part.reason or "")) == ("fault", True)


def test_an_image_that_could_not_be_stored_may_come_again(store: Store, begin: Begin) -> None:
    parts = begin()
    number = arrive(store, parts, "top", serial="A")
    side = replace(GOOD, source="x.png", view="side", serial="A")
    (assigned,) = parts.assign([side], [None])
    parts.dropped([assigned])
    assert arrive(store, parts, "side", serial="A") == number
    assert wait_for(parts, number).verdict == "good"


def test_a_verdict_that_cannot_be_written_is_written_later(
    store: Store, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = begin()
    number = arrive(store, parts, "top", serial="A")
    whole = Store.transaction

    def full(_: Store) -> Any:
        raise StoreError("the disk is full")

    (assigned,) = parts.assign([replace(GOOD, source="y.png", view="side", serial="A")], [None])
    (result,) = store.add([assigned])
    monkeypatch.setattr(Store, "transaction", full)
    parts.count([replace(assigned, id=result or 0)])
    assert parts.waiting == 1
    monkeypatch.setattr(Store, "transaction", whole)
    assert wait_for(parts, number).verdict == "good"


def test_a_station_that_cannot_read_its_codes_does_not_start(store: Store) -> None:
    with pytest.raises(SettingsError, match="known are"):
        Parts(store, PartsSettings(code="Rune"))
