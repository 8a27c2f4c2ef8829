"""Answers to requirements."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from excision.capability.judge import answer
from excision.capability.part import REGIONS
from excision.capability.plan import region_of_number
from excision.capability.records import Record
from excision.capability.requirement import parse_requirement

WANTED = parse_requirement("scratch 4 x 40 px")


def records(hit: Callable[[int, int], bool], turns: int = 64, groups: int = 64) -> list[Record]:
    found = []
    for number in range(turns * len(REGIONS)):
        turn, region = divmod(number, len(REGIONS))
        found.append(
            Record(
                number, "x", str(turn % groups), "scratch", 40, 4, 0.2, 0, 0, 0, 0, 0, 9, 0.2, 0, 1, 2,
                int(hit(turn, region)), 1,
            )
        )  # fmt: skip
    return found


def test_yes_needs_every_region() -> None:
    result = answer(WANTED, records(lambda turn, _: turn != 5), 0.2)
    assert result.answer == "yes"
    assert [region.answer for region in result.regions] == ["yes"] * 9
    assert "at least 90 %" in result.sentence
    assert "with 95 % confidence for each region" in result.sentence
    assert "567 of 576 drawings were found, on 64 independent parts" in result.sentence
    assert "at a contrast of 20 %, which the requirement does not state" in result.sentence


def test_where_not_is_named() -> None:
    result = answer(WANTED, records(lambda turn, region: region != 2 or turn % 2 == 0), 0.2)
    assert result.answer == "not everywhere"
    assert "in these regions: upper right (32 of 64)." in result.sentence
    assert "lower left (64 of 64)" in result.sentence


def test_no() -> None:
    result = answer(WANTED, records(lambda turn, region: (turn + region) % 2 == 0), 0.2)
    assert result.answer == "no"
    assert result.sentence.startswith("No: fewer than 90 %")


def test_few_parts_show_nothing_however_many_drawings() -> None:
    """Ten parts with 60 hits each are no more than ten independent hits."""
    result = answer(WANTED, records(lambda *_: True, turns=600, groups=10), 0.2)
    assert result.answer == "not shown"
    assert result.hits == result.number == 5400
    assert result.groups == 10
    assert "It takes at least 29 independent good parts in each region" in result.sentence


@pytest.mark.parametrize(("groups", "expected"), [(28, "not shown"), (29, "yes")])
def test_twenty_nine_parts_without_a_miss(groups: int, expected: str) -> None:
    assert answer(WANTED, records(lambda *_: True, groups, groups), 0.2).answer == expected


def test_regions_follow_from_the_number() -> None:
    assert [region_of_number(n) for n in range(18)] == [*range(9), *range(9)]
