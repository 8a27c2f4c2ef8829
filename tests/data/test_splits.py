"""Holding out whole groups, by names alone."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from excision.data.records import Sample
from excision.data.splits import hold_out
from excision.errors import DatasetError


def samples(groups: list[str]) -> list[Sample]:
    return [
        Sample(f"{i:04d}.png", Path(f"{i:04d}.png"), "train", "good", None, g) for i, g in enumerate(groups)
    ]


many_groups = st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=60).filter(lambda g: len(set(g)) > 1)


@given(many_groups, st.floats(0.01, 0.99), st.integers(0, 5))
def test_groups_stay_whole_and_no_side_is_empty(groups: list[str], share: float, seed: int) -> None:
    training, calibration = hold_out(samples(groups), share, seed)
    assert training
    assert calibration
    assert not {s.group for s in training} & {s.group for s in calibration}
    assert sorted([*training, *calibration], key=lambda s: s.name) == samples(groups)


@given(many_groups, st.integers(0, 5), st.randoms())
def test_the_order_of_samples_does_not_matter(groups: list[str], seed: int, rng: random.Random) -> None:
    ordered = samples(groups)
    shuffled = ordered[:]
    rng.shuffle(shuffled)
    assert hold_out(ordered, 0.2, seed) == hold_out(shuffled, 0.2, seed)


@given(st.integers(10, 300), st.floats(0.05, 0.95))
def test_single_images_meet_the_share(count: int, share: float) -> None:
    _, calibration = hold_out(samples([str(i) for i in range(count)]), share)
    assert abs(len(calibration) - share * count) <= 1


def test_the_seed_and_nothing_else_changes_the_choice() -> None:
    parts = samples([str(i) for i in range(50)])
    assert hold_out(parts, 0.2, 1) == hold_out(parts, 0.2, 1)
    assert hold_out(parts, 0.2, 1) != hold_out(parts, 0.2, 2)


def test_a_large_group_does_not_swallow_the_rest() -> None:
    training, calibration = hold_out(samples(["big"] * 90 + ["small"] * 10), 0.2)
    assert {s.group for s in calibration} == {"small"}
    assert len(training) == 90


@pytest.mark.parametrize("groups", [[], ["a"], ["a", "a", "a"]])
def test_one_part_cannot_be_divided(groups: list[str]) -> None:
    with pytest.raises(DatasetError, match="at least two different parts"):
        hold_out(samples(groups))
