"""Labels in doubt: a crack among the good ones is always asked about, good ones seldom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from excision.station.improve.doubts import find_doubts
from excision.station.improve.labelled import LabelledPart
from excision.station.store.records import Truth


def part(number: int, truth: Truth = "good", **more: Any) -> LabelledPart:
    values: dict[str, Any] = {
        "result": number,
        "image": Path(f"{number}.png"),
        "digest": f"{number}",
        "name": f"station/{number}.png",
        "truth": truth,
        "who": "M. Weber",
        "agreeing": ("M. Weber",),
        "contradicting": (),
        "score": None,
        "version": "",
        "unfit": (),
        "serial": None,
        **more,
    }
    return LabelledPart(**values)


@pytest.mark.parametrize("cracks", [1, 5, 20])
@pytest.mark.parametrize("usual", [4, 120, 400])
def test_cracks_are_asked_about_however_many_there_are(cracks: int, usual: int) -> None:
    """The case that led to it: good scores up to 3.9, a crack of 39.4 marked good."""
    rng = np.random.default_rng(usual)
    known = rng.gamma(20.0, 0.1, usual).tolist()
    good = {number: float(score) for number, score in enumerate(rng.gamma(20.0, 0.1, 100))}
    bad = {1000 + number: 39.4 - number / 10 for number in range(cracks)}
    parts = [part(number) for number in (*good, *bad)]
    doubts = find_doubts(parts, {**good, **bad}, known, 3.9, {})
    assert {doubt.result for doubt in doubts} >= set(bad)
    assert len(doubts) - cracks <= 5
    assert "most unusual of" in doubts[0].why


def test_with_few_good_scores_whatever_is_called_defective_is_asked_about() -> None:
    doubts = find_doubts([part(1), part(2)], {1: 4.0, 2: 1.0}, [1.0, 2.0], 3.9, {})
    assert [doubt.result for doubt in doubts] == [1]


def test_a_second_person_settles_it_but_not_two_truths_of_one_image() -> None:
    both: dict[str, Any] = {"agreeing": ("M. Weber", "A. Costa")}
    assert not find_doubts([part(1, **both)], {1: 40.0}, [1.0] * 30, 3.9, {})
    one, other = part(1, digest="x", **both), part(2, "defect", digest="x", **both)
    doubts = find_doubts([one, other], {1: 1.0, 2: 1.0}, [1.0] * 30, 3.9, {})
    assert {doubt.result for doubt in doubts} == {1, 2}


def test_unfit_and_original_images() -> None:
    unfit = find_doubts([part(1, unfit=("out of focus",))], {1: 1.0}, list(range(30)), 40.0, {})
    assert "out of focus" in unfit[0].why
    original = part(1, digest="known")
    assert not find_doubts([original], {1: 40.0}, [1.0] * 30, 3.9, {"known": "train/good/1.png"})
