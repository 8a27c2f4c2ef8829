"""How rare a part is among good ones, in words."""

from __future__ import annotations

import math
import re
import tomllib
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from excision.method.calibration import Calibration, calibrate
from excision.method.calibration.rarity import TEXTS, Basis, in_words, rarity


def basis(calibration: Calibration) -> Basis:
    return Basis(len(calibration.scores), calibration.count_groups)


@pytest.mark.parametrize(
    ("p_value", "words"),
    [
        (1 / 240, "one good part in 240 looks like this"),
        (1 / 5, "one good part in 5 looks like this"),
        # Never rarer than it is.
        (2 / 81, "one good part in 40 looks like this"),
        (0.6, "60 % of good parts look like this"),
        (1.0, "100 % of good parts look like this"),
    ],
)
def test_words(p_value: float, words: str) -> None:
    assert in_words(p_value) == words


def test_a_score_above_all_says_how_many_there_were() -> None:
    calibration = calibrate([float(n) for n in range(80)], 0.05)
    expected = "no good part of the 80 that calibrate looks like this: fewer than one in 81"
    assert in_words(calibration.p_value(1000.0), basis(calibration)) == expected
    assert in_words(calibration.p_value(79.0), basis(calibration)) == "one good part in 40 looks like this"
    tiles = calibrate([float(n) for n in range(80)], 0.05, groups=[n // 4 for n in range(80)])
    expected = "no good part of the 80 in 20 groups that calibrate looks like this: fewer than one in 21"
    assert in_words(tiles.p_value(1000.0), basis(tiles)) == expected


@given(st.lists(st.floats(0, 10), min_size=1, max_size=50), st.floats(0, 11))
def test_a_part_is_never_called_rarer_than_it_is(scores: list[float], score: float) -> None:
    calibration = calibrate(scores, 0.05)
    p_value = calibration.p_value(score)
    kind, numbers = rarity(p_value, basis(calibration))
    assert (kind == "none") == (score > max(scores))
    if kind != "share":
        assert 1 / numbers["parts"] >= p_value - 1e-6
        assert numbers["parts"] == math.floor((len(scores) + 1) / (1 + sum(s >= score for s in scores)))


def test_the_pages_say_the_same() -> None:
    text = resources.files("excision.station.pages").joinpath("translations", "en.toml").read_text("utf-8")
    said = {
        name: re.sub(r"\{\w+:\w+\|(\w+)\}", r"\1", words)
        for name, words in tomllib.loads(text)["p_value"].items()
    }
    assert said == TEXTS
