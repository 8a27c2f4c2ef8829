"""Holding out for networks that have seen some of the images already."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from excision.data.records import GOOD, Sample
from excision.data.splits import hold_out_apart
from excision.errors import DatasetError


def sample(number: int, group: int) -> Sample:
    name = f"{number:03d}.png"
    return Sample(name, Path(name), "train", GOOD, None, f"group {group}")


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=40),
    st.sets(st.integers(0, 39)),
    st.sets(st.integers(0, 39)),
)
def test_nothing_seen_is_held_out(groups: list[int], seen: set[int], held: set[int]) -> None:
    samples = [sample(number, group) for number, group in enumerate(groups)]
    names = [{f"{number:03d}.png" for number in each if number < len(groups)} for each in (seen, held)]
    try:
        training, calibration = hold_out_apart(samples, names[0], names[1])
    except DatasetError:
        return
    assert sorted(s.name for s in (*training, *calibration)) == [s.name for s in samples]
    assert training and calibration
    assert not {s.name for s in calibration} & names[0]
    assert not {s.group for s in training} & {s.group for s in calibration}
    trained = {s.group for s in samples if s.name in names[0]}
    again = {s.group for s in samples if s.name in names[1]} - trained
    assert again <= {s.group for s in calibration}


def test_where_all_was_seen_it_says_so() -> None:
    samples = [sample(number, number) for number in range(4)]
    with pytest.raises(DatasetError, match="none can be held out"):
        hold_out_apart(samples, {s.name for s in samples}, set())
