"""The pure Python behind the pages: words, filters, forecasts, the budget of false alarms, jobs."""

from __future__ import annotations

import io
import re
import string
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from excision.errors import BusyError, SettingsError
from excision.method.calibration import calibrate
from excision.progress import Progress
from excision.station.pages import strings
from excision.station.pages.archive import confirmed
from excision.station.pages.charts import score_chart
from excision.station.pages.filters import Filter
from excision.station.pages.forecast import forecast, levels
from excision.station.pages.jobs import Jobs, Work
from excision.station.pages.numbers import figure, moment, percent
from excision.station.pages.shift import Budget, at_least, budget_of, read_shift
from excision.station.store.query import Query
from excision.station.store.records import Label, StoredResult
from excision.station.store.store import Store
from excision.station.work.kept_images import Images

SCORES = st.floats(0.1, 100, allow_nan=False)
TEMPLATES = resources.files("excision.station.pages").joinpath("templates")


def result(score: float | None = 0.5, **more: Any) -> StoredResult:
    verdict = None if score is None else "defect" if score > 1 else "good"
    error = "torn" if score is None else None
    fields: dict[str, Any] = {"time": 100.0, "source": "a.png", "model": "m", "model_version": "1"}
    return StoredResult(
        **{**fields, "threshold": 1.0, "score": score, "verdict": verdict, "error": error, **more}
    )


def test_every_word_that_a_template_says_is_there() -> None:
    t, names = strings.words(), set()
    for file in TEMPLATES.iterdir():
        names |= set(re.findall(r'\bt\("([^"]+)"\s*[,)]', file.read_text("utf-8")))
    assert len(names) > 100
    missing = {name for name in names if name not in t and f"{name}.other" not in t}
    assert missing == set()


def test_plurals_and_values_are_filled_in() -> None:
    t = strings.words()
    assert t("review.fit", n=1) == "1 result matches"
    assert t("review.fit", n=0) == "0 results match"
    with pytest.raises(KeyError):
        t("no.such.word")


def test_a_translation_may_lack_words() -> None:
    t = strings.Words("xx", {"nav.live": "Leben"}, {"nav.live": "Live", "nav.try": "Try"})
    assert (t("nav.live"), t("nav.try")) == ("Leben", "Try")


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("de-AT,de;q=0.9,en;q=0.5", "de"),
        ("en;q=0.5,de;q=0.9", "de"),
        ("fr,*;q=0.1", "en"),
        ("de;q=0", "en"),
        ("de;q=often", "en"),
        ("", "en"),
    ],
)
def test_the_language_follows_the_browser(accepted: str, chosen: str) -> None:
    assert strings.preferred(accepted, ("en", "de")) == chosen


def test_sentences_of_all_languages_want_the_same_values() -> None:
    folder = resources.files("excision.station.pages").joinpath("translations")
    english = sentences(tomllib.loads(folder.joinpath("en.toml").read_text("utf-8")))
    for language in strings.languages():
        read = tomllib.loads(folder.joinpath(f"{language}.toml").read_text("utf-8"))
        assert read["language"]
        for name, sentence in sentences(read).items():
            assert values_of(sentence) == values_of(english[name]), (language, name)


def test_every_language_has_every_sentence() -> None:
    folder = resources.files("excision.station.pages").joinpath("translations")
    assert set(strings.languages()) == {"en", "de", "zh"}
    read = {
        language: sentences(tomllib.loads(folder.joinpath(f"{language}.toml").read_text("utf-8")))
        for language in strings.languages()
    }
    for language, found in read.items():
        assert set(found) == set(read["en"]), language
        assert all(sentence.strip() for sentence in found.values())
    # A sentence that reads the same in English is a name, a unit, or was forgotten.
    for language in ("de", "zh"):
        same = [
            name
            for name, text in read[language].items()
            if text == read["en"][name] and len(re.findall("[a-z]{3}", re.sub(r"\{\w+\}", "", text))) > 1
        ]
        assert [name for name in same if " " in read["en"][name]] == [], language
    # Chinese is written in Chinese, apart from names.
    plain = [name for name, text in read["zh"].items() if re.fullmatch(r"[ -~]*[a-z]{4}[ -~]*", text)]
    assert [
        name for name in plain if not re.search(r"form_|announce|steps|_value|exported|ahead", name)
    ] == []


def test_numbers_and_times_are_those_of_the_language() -> None:
    assert figure(0.12345, "de") == "0,1235" and figure(0.12345, "zh") == figure(0.12345) == "0.1235"
    assert percent(0.0123, "de") == "1,23 %"
    assert re.fullmatch(r"\d\d\.\d\d\.2001 \d\d:\d\d:\d\d", moment(1e9, "de"))
    assert re.fullmatch(r"2001-\d\d-\d\d \d\d:\d\d:\d\d", moment(1e9, "zh"))


def sentences(table: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Give the sentences of a file by their dotted names."""
    found: dict[str, str] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            found |= sentences(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def values_of(sentence: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(sentence) if field}


@given(st.lists(st.tuples(SCORES, st.sampled_from(["good", "defect", None]))), SCORES, SCORES, SCORES)
def test_forecast_counts_as_a_person_would(scores: list[Any], now: float, then: float, review: float) -> None:
    review = min(review, then)
    found = forecast(counted(scores, levels((now, None), (then, review))))
    assert found.images == len(scores)
    assert found.labelled == len([1 for _, truth in scores if truth])
    flagged = [pair for pair in scores if pair[0] > then]
    passed = [pair for pair in scores if pair[0] <= review]
    assert (found.then.defect, found.then.good) == (len(flagged), len(passed))
    assert found.then.review == len(scores) - len(flagged) - len(passed)
    assert found.then.missed == passed_truths(passed, "defect")
    assert found.then.false_alarms == passed_truths(flagged, "good")
    assert found.more_defects == len(flagged) - len([1 for score, _ in scores if score > now])


def counted(scores: list[Any], above: list[float]) -> dict[Any, list[int]]:
    """Count as the store does."""
    found: dict[Any, list[int]] = {}
    for truth in {truth for _, truth in scores}:
        own = [score for score, said in scores if said == truth]
        found[truth] = [len(own), *(sum(score > level for score in own) for level in above)]
    return found


def passed_truths(pairs: list[Any], truth: str) -> int:
    return [said for _, said in pairs].count(truth)


def test_forecast_says_what_three_fewer_alarms_cost() -> None:
    scores: list[Any] = [(5.0, "good"), (6.0, "defect"), (7.0, None), (9.0, "defect"), (1.0, None)]
    found = forecast(counted(scores, levels((4.0, None), (8.0, None))))
    assert (found.more_defects, found.newly_missed, found.more_false_alarms) == (-3, 1, -1)


@given(st.integers(0, 400), st.integers(1, 400), st.floats(0.0005, 0.9))
def test_binomial_tail_is_that_of_scipy(count: int, trials: int, rate: float) -> None:
    count = min(count, trials)
    assert at_least(count, trials, rate) == pytest.approx(binom.sf(count - 1, trials, rate), abs=1e-9)


@pytest.mark.parametrize(("rate", "tail"), [(0.0, 0.0), (1.0, 1.0)])
def test_binomial_tail_at_its_ends(rate: float, tail: float) -> None:
    assert at_least(3, 10, rate) == tail
    assert at_least(0, 10, rate) == 1.0


@given(st.lists(SCORES, min_size=1, max_size=60, unique=True), st.floats(0.01, 0.9))
def test_promised_rate_is_that_of_the_calibration(scores: list[float], wanted: float) -> None:
    found = calibrate(scores, wanted)
    assert found.rate_above(found.threshold) == pytest.approx(found.promised_rate)


def budget(false: float, all_false: float) -> str:
    return Budget(10, 1.0, 0, 0, 0, false, all_false).standing


def test_a_budget_is_above_only_by_confirmed_alarms() -> None:
    assert budget(0.5, 0.5) == "within"
    assert budget(0.5, 0.001) == "open"
    assert budget(0.001, 0.001) == "above"


class FakeModels:
    """One model, calibrated on nine images so that its threshold 1 promises 10 % on average."""

    names = ("m",)

    def current(self, _name: str) -> Any:
        predictor = type("P", (), {"calibration": calibrate([0.1 * n for n in range(2, 11)], 0.1)})()
        return type("V", (), {"predictor": predictor, "threshold": 1.0})()


def test_a_budget_takes_labels_into_account(tmp_path: Path) -> None:
    store = Store(tmp_path / "r.sqlite")
    numbers = store.add([result(s) for s in [0.5] * 18 + [2.0, 3.0, 4.0]] + [result(None)])
    store.add([result(9.0, time=1.0)])
    store.label(numbers[18] or 0, Label("good", "", "", 1.0))
    store.label(numbers[19] or 0, Label("good", "", "", 1.0))
    store.label(numbers[19] or 0, Label("defect", "", "", 2.0))
    found = budget_of(store, FakeModels(), Query(since=50.0))  # type: ignore[arg-type]
    assert found is not None
    assert (found.parts, found.alarms) == (20, 3)
    assert (found.confirmed_false, found.confirmed_true, found.unjudged) == (1, 1, 1)
    assert found.expected == pytest.approx(2.0)
    promised = 1 - 0.095 ** (1 / 9)
    assert found.chance_of_confirmed == pytest.approx(binom.sf(0, 20, promised))
    assert found.chance_of_all == pytest.approx(binom.sf(1, 20, promised))


def test_a_shift_begins_where_a_person_says() -> None:
    start = datetime(2026, 3, 2, 6).astimezone().timestamp()
    assert read_shift("4", "2026-03-02T06:00", 5e9).since == start
    assert read_shift("4", "", 10_000_000.0).since == 10_000_000.0 - 4 * 3600
    for odd in ("", "-3", "5", "1e9", "nan"):
        assert read_shift(odd, "yesterday", 10_000_000.0).since == 10_000_000.0 - 8 * 3600


def test_a_filter_becomes_a_query() -> None:
    fields = {
        "verdict": "defect",
        "lowest": "1,5",
        "highest": "nan",
        "labelled": "no",
        "source": " a ",
        "x": "y",
    }
    assert Filter.of(fields).query == Query(verdict="defect", lowest=1.5, source="a", labelled=False)
    assert Filter.of({"verdict": "'; DROP TABLE results"}).query == Query()


@given(st.dictionaries(st.sampled_from(list(Filter.__dataclass_fields__)), st.text(max_size=20)))
def test_a_filter_survives_its_address(fields: dict[str, str]) -> None:
    from urllib.parse import parse_qsl

    chosen = Filter.of(fields)
    assert Filter.of(dict(parse_qsl(chosen.address(id=7)))) == chosen


def test_the_chart_shows_every_part_and_each_threshold() -> None:
    t = strings.words()
    parts = [result(0.5), result(2.0, source="<b>.png"), result(None), result(0.2, threshold=0.8)]
    for size in ("wide", "narrow"):
        drawn = ElementTree.fromstring(score_chart(parts, t, size))
        kinds = [path.get("class") for path in drawn.iter("path")]
        assert [kind for kind in kinds if kind and kind.startswith("point")] == [
            "point good",
            "point defect",
            "point failed",
            "point good",
        ]
        assert kinds.count("threshold") == 2
        assert any("<b>.png" in (title.text or "") for title in drawn.iter("title"))
    assert score_chart([], t) == ""
    assert "nan" not in score_chart([result(0.0, threshold=float("inf"))], t)


def wait(work: Work) -> Work:
    for thread in threading.enumerate():
        if thread.name == "job":
            thread.join(60)
    return work


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_one_job_at_a_time_and_it_can_be_stopped(gate: threading.Event) -> None:
    jobs, begun = Jobs(), threading.Event()

    def do(progress: Any) -> None:
        progress(1, 5)
        begun.set()
        gate.wait(60)
        progress(2, 5)

    work = jobs.start("check", "the first", do)
    assert begun.wait(60)
    assert (work.state, work.done, work.total) == ("running", 1, 5)
    with pytest.raises(BusyError, match="the first"):
        jobs.start("check", "the second", do)
    jobs.stop()
    gate.set()
    assert wait(work).state == "stopped"

    def seven(progress: Progress) -> int:
        progress(1, 1)
        return 7

    again = jobs.start("check", "the third", seven)
    assert (wait(again).state, again.result, again.number) == ("done", 7, 2)


def test_a_job_says_why_it_failed() -> None:
    def fail(_progress: Any) -> None:
        raise SettingsError("there is no such folder")

    work = wait(Jobs().start("evaluate", "it", fail))
    assert (work.state, work.reason) == ("failed", "there is no such folder")


def test_the_archive_comes_in_small_pieces(tmp_path: Path) -> None:
    store = Store(tmp_path / "r.sqlite")
    content = bytes(range(256)) * 2**14
    for name in ("a.png", "b.png", "gone.png"):
        (number,) = store.add([result(0.5, source=f"../odd/{name}", image=name)])
        store.label(number or 0, Label("good", "", "", 1.0))
        if name != "gone.png":
            (tmp_path / name).write_bytes(content)
    station = type("S", (), {"store": store, "images": Images(tmp_path)})()
    pieces = list(confirmed(station, Query(labelled=True), "good"))
    assert max(map(len, pieces)) < 2**19 < len(content)
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.namelist() == ["good/000001_a.png", "good/000002_b.png"]
        assert archive.read("good/000002_b.png") == content
