"""A result knows its part, from the client to the filters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from excision.errors import ResultsError, SettingsError, StationError
from excision.station.hot_folder.names import NamePattern
from excision.station.store.query import Query
from excision.station.store.records import Label, Origin, Withdrawal, standing
from excision.station.store.store import Store
from tests.station.conftest import Service
from tests.station.test_store import GOOD

NAME = st.none() | st.sampled_from(["a", "b", "\u00e9"])
NAMES = ("serial", "lot", "recipe", "view", "part")


@settings(max_examples=30)
@given(
    st.lists(st.tuples(NAME, NAME, NAME, NAME, st.none() | st.integers(1, 3)), max_size=12),
    st.tuples(NAME, NAME, NAME, NAME | st.just(""), st.none() | st.integers(1, 3)),
    st.booleans(),
)
def test_filters_are_those_of_a_plain_look(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[Any, ...]],
    wanted: tuple[Any, ...],
    scored: bool,
) -> None:
    store = Store(tmp_path_factory.mktemp("store") / "results.sqlite")
    store.add(
        [replace(GOOD, source=f"{n}", **dict(zip(NAMES, row, strict=True))) for n, row in enumerate(rows)]
    )
    asked: dict[str, Any] = dict(zip(NAMES, wanted, strict=True))
    query = Query(**asked, lowest=0.0 if scored else None)
    expected = []
    for number, row in enumerate(rows, start=1):
        has: dict[str, Any] = dict(zip(NAMES, row, strict=True))
        has["view"] = has["view"] or ""
        if all(value is None or value == has[name] for name, value in asked.items()):
            expected.append(number)
    assert [found.id for found in store.walk(query)] == expected
    assert store.count(query)["good"] == sum(store.tally(query).values()) == len(expected)
    store.close()


def test_withdrawn_labels_stay_on_record_and_do_not_count(tmp_path: Path) -> None:
    store = Store(tmp_path / "results.sqlite")
    store.add([GOOD])
    store.label(1, Label("good", "Ada", "", 1.0))
    store.label(1, Label("defect", "Bo", "", 2.0, "scratch"))
    assert [found.id for found in store.walk(Query(defect_class="scratch"))] == [1]
    store.withdraw(1, 2, Withdrawal("Bo", "wrong part", 3.0))
    said = store.labels(1)
    assert said[1].withdrawn == Withdrawal("Bo", "wrong part", 3.0)
    assert standing(said) == said[0]
    assert store.tally(Query()) == {("good", "good"): 1}
    assert list(store.walk(Query(defect_class="scratch"))) == []
    with pytest.raises(ResultsError, match="withdrawn already"):
        store.withdraw(1, 2, Withdrawal("Cy", "", 4.0))
    # A withdrawal is no label, and a label of another result is none of this one.
    for number, label in ((1, 3), (1, 99), (2, 1)):
        with pytest.raises(ResultsError, match="no label"):
            store.withdraw(number, label, Withdrawal("Cy", "", 4.0))
    with pytest.raises(ResultsError, match="no class of defect"):
        store.label(1, Label("good", "Ada", "", 5.0, "scratch"))
    store.withdraw(1, 1, Withdrawal("Ada", "", 6.0))
    assert store.tally(Query()) == {("good", None): 1}
    assert standing(store.labels(1)) is None


def test_paths_say_which_part_it_is() -> None:
    pattern = NamePattern(r"(?P<lot>[^/]+)/(?P<serial>[^_/.]+)(_(?P<view>[a-z]+))?[.]")
    assert pattern.read("7/A-1_top.png").origin == Origin(serial="A-1", lot="7", view="top")
    assert pattern.read("7/A-1.png").origin == Origin(serial="A-1", lot="7")
    assert pattern.read("A-1.png").origin == Origin()
    assert pattern.read(f"7/{'x' * 201}.png").origin == Origin(lot="7")
    for wrong, why in (("(", "no regular"), ("(?P<part>x)", "names part"), ("x+", "names no group")):
        with pytest.raises(SettingsError, match=why):
            NamePattern(wrong)


def test_a_client_says_which_part_it_is(service: Service, pictures: list[Path]) -> None:
    client = service.client
    found = client.inspect(pictures[0], serial="A 1", lot="7", view="top")
    assert (found.serial, found.lot, found.view, found.recipe, found.part) == ("A 1", "7", "top", None, None)
    assert client.result(found.id).serial == "A 1"
    assert [each.id for each in client.results(serial="A 1", lot="7", view="top")] == [found.id]
    assert list(client.results(serial="A")) == []
    plain = client.inspect(pictures[0])
    assert (plain.serial, plain.lot, plain.view) == (None, None, None)
    content = pictures[0].read_bytes()
    for wrong, why in (("serial=a%00b", "cannot be printed"), ("view=" + "x" * 65, "view")):
        status, _, body = service.ask("POST", f"/v1/inspect?{wrong}", content)
        assert status == 422 and why in body.decode()
    # Neither was inspected.
    assert next(client.results()).id == plain.id


def test_a_label_is_withdrawn_over_http(service: Service, pictures: list[Path]) -> None:
    client = service.client
    number = client.inspect(pictures[0]).id
    for who in ("", "  "):
        with pytest.raises(StationError, match="nobody is named"):
            client.label(number, "defect", who)
    client.label(number, "defect", "Ada", defect_class="scratch")
    assert [found.id for found in client.results(defect_class="scratch")] == [number]
    (label,) = client.labels(number)
    assert (label["defect_class"], label["withdrawn"]) == ("scratch", None)
    with pytest.raises(StationError, match="nobody is named"):
        client.withdraw(number, label["id"], "")
    client.withdraw(number, label["id"], "Bo", "other part")
    assert client.labels(number)[0]["withdrawn"]["who"] == "Bo"
    assert list(client.results(defect_class="scratch")) == []
    with pytest.raises(StationError, match="withdrawn already"):
        client.withdraw(number, label["id"], "Bo")
