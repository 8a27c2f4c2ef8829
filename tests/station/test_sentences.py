"""Sentences of other rooms in the languages of the pages: nothing that they say is unknown there."""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from string import Formatter

from hypothesis import given, settings
from hypothesis import strategies as st

import excision
from excision.capability.kinds import NAMES
from excision.capability.part import REGIONS
from excision.inspection.drift.wording import BEFORE, CALIBRATION, TRAINING, compared, measure_of
from excision.method.calibration import calibrate
from excision.method.calibration.forecast import Forecast
from excision.method.calibration.sentences import state_review
from excision.method.fitness import promise as fitness_promise
from excision.method.fitness import reasons as unfit
from excision.method.fitness.ranges import Range
from excision.method.fitness.words import _MEASURES
from excision.station.pages import strings
from excision.station.pages.sentences import catalogue, is_known, reasons, translated

OTHERS = tuple(language for language in strings.languages() if language != strings.DEFAULT)
CJK = re.compile("[\u4e00-\u9fff]")

# What these rooms raise can end on a page.
ROOMS = (
    "station/pages",
    "station/people",
    "station/alarms",
    "station/improve",
    "station/models",
    "station/api",
)
MODULES = (
    *(
        "station/store/labelling.py",
        "station/work/renderings.py",
        "station/work/queue.py",
        "station/drift.py",
    ),
)
NOT_SHOWN = {
    # Read by programs: the interface of stations, the wire, and whoever sets a station up.
    *("station/api/hub.py", "station/api/header.py", "station/api/connection.py"),
    *("station/people/settings.py", "station/alarms/settings.py", "station/improve/settings.py"),
    # Its errors have a reason that the login page says in its own words.
    *("station/people/oidc", "station/pages/oidc.py"),
    # Arguments of the command line, and what keeps a station from starting.
    *("station/improve/confirming.py", "station/improve/champion.py", "station/people/people.py"),
}


AT_START = ("a station needs at least one model", "two models are called", "7: 7", "the image of result 7 7:")
"""Begins what keeps a station from starting, or what is made of other sentences."""


def known(text: str) -> None:
    for language in OTHERS:
        assert is_known(text, language), (language, text)
        assert translated(text, language) != text


def test_the_catalogue_is_whole() -> None:
    folder = resources.files("excision.station.pages").joinpath("sentences")
    assert len([file for file in folder.iterdir() if file.name.endswith(".toml")]) >= 5
    sentences, phrases = catalogue()
    assert len(sentences) > 200 and len(phrases) > 80
    for form in (*sentences, *phrases):
        assert set(form.words) == {strings.DEFAULT, *OTHERS}
        fields = {
            language: {name for _, name, _, _ in Formatter().parse(text) if name}
            for language, text in form.words.items()
        }
        assert len(set(map(frozenset, fields.values()))) == 1, form.words
        letters = re.sub(r"\{\w*\}", "", form.words["zh"])
        assert CJK.search(letters) or not re.search("[a-z]{4}", letters), form.words["zh"]


@given(
    scores=st.lists(st.floats(0.1, 9), min_size=3, max_size=60),
    size=st.integers(1, 4),
    rate=st.sampled_from([0.01, 0.05, 0.2]),
    confidence=st.sampled_from([None, 0.9, 0.95]),
    folds=st.sampled_from([0, 5]),
    named=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_every_promise_is_known(
    scores: list[float], size: int, rate: float, confidence: float | None, folds: int, named: bool
) -> None:
    groups = [f"g{place // size}" for place in range(len(scores))]
    names = [f"part {place}.png" for place in range(len(scores))] if named else None
    found = calibrate(
        scores,
        rate,
        groups=groups,
        names=names,
        confidence=confidence,
        folds=folds,
        cross_fitted=0 if folds else size - 1,
    )
    known(found.explain())
    known(state_review(found))
    known(Forecast.of([size] * 7, rate, confidence or 0.9).explain())
    if confidence is not None:
        odd = ["a.png", "b.png"][: size - 1]
        known(fitness_promise.explain(found, rate, odd, odd[:1], ["brightness", "noise"]))


@given(
    value=st.floats(-6, 6),
    centre=st.floats(-5, 5),
    width=st.floats(0.1, 2),
)
@settings(max_examples=40, deadline=None)
def test_every_reason_of_an_unfit_image_is_known(value: float, centre: float, width: float) -> None:
    known_range = Range(centre, width, width, centre - width, centre + width)
    for topic in unfit._TOPICS:
        for name in topic.names:
            for side in {topic.side or 1, topic.side or -1}:
                known(topic.say(name, value, known_range, 9.0 * side))


@given(now=st.floats(0, 50), before=st.just(0.0) | st.floats(0.01, 50))
@settings(max_examples=15, deadline=None)
def test_every_comparison_of_drift_is_known(now: float, before: float) -> None:
    for name in (*_MEASURES, "score"):
        for basis in (TRAINING, CALIBRATION, BEFORE):
            for value in (now, None):
                for language in OTHERS:
                    assert is_known(compared(name, value, before, basis), language)
        known(measure_of(name).words)


def test_what_a_study_says_is_known() -> None:
    for word in (*NAMES.values(), *REGIONS):
        known(word)


def test_numbers_take_the_form_of_the_language() -> None:
    said = "almost black: check light, shutter and camera"
    assert translated(said, "en") == said and translated(said, "de").startswith("fast schwarz")
    told = "1.5 times darker than any training image: check light and exposure"
    assert translated(told, "de") == "1,5-mal dunkler als jedes Trainingsbild: Licht und Belichtung prüfen"
    told = "Promising the wanted 0.5 % takes 1,200 groups. A person set this threshold."
    assert "0,5 %" in translated(told, "de") and "1.200" in translated(told, "de")
    assert translated(told, "zh").endswith("此阈值由人设定。")
    assert translated(told, "de").endswith(
        "zuzusagen braucht 1.200 Gruppen. Eine Person hat diesen Schwellwert gesetzt."
    )


def test_what_is_unknown_stays_as_it_is() -> None:
    for text in ("", "What nobody ever wrote.", "x" * 7000, "A person set this threshold. And more."):
        assert translated(text, "de") == text
    # A name that looks like a sentence is a name.
    told = "there is no user 'there is no user 7'"
    assert translated(told, "de") == "Es gibt keinen Benutzer 'there is no user 7'"
    assert reasons("front: defect; no picture of back came in time", "de") == (
        "front: defect; Kein Bild von back kam rechtzeitig"
    )


def test_no_text_takes_long() -> None:
    begun = time.process_time()
    for text in ("a: " * 1500, "there is no user " * 300, "1 of 2 " * 600, "x (" * 1500, ", " * 2500):
        translated(text[:5999], "de")
    assert time.process_time() - begun < 5


def test_every_error_that_a_page_can_show_is_known() -> None:
    missing = [
        f"{where}: {text}" for where, text in raised() for language in OTHERS if not is_known(text, language)
    ]
    assert missing == []


def raised() -> Iterator[tuple[str, str]]:
    """Give every message that the rooms of the pages raise, with values filled in."""
    source = Path(excision.__file__).parent
    files = [path for room in ROOMS for path in sorted((source / room).rglob("*.py"))]
    count = 0
    for path in [*files, *(source / name for name in MODULES)]:
        where = path.relative_to(source).as_posix()
        if any(where.startswith(name) for name in NOT_SHOWN):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            call = node.exc if isinstance(node, ast.Raise) else None
            if not isinstance(call, ast.Call):
                continue
            for argument in call.args:
                text = filled(argument)
                if text is not None and " " in text and not text.startswith(AT_START):
                    count += 1
                    yield f"{where}:{call.lineno}", text
    assert count > 60


def filled(node: ast.expr) -> str | None:
    """Give a string, or a formatted one with something in place of each value; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
    return None
