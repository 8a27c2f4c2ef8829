"""Data without a split of their own are divided in whole blocks of neighbouring names."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from excision.data.groups.dividing import name_blocks
from excision.data.records import Sample
from excision.data.splits import with_test_share

DEFECT = Sample("bad.png", Path("bad.png"), "train", "scratch", None, "bad.png")


def good(name: str, group: str | None = None) -> Sample:
    return Sample(name, Path(name), "train", "good", None, group or name)


def held_out(names: list[str]) -> set[str]:
    divided, _ = with_test_share([*map(good, names), DEFECT], [])
    return {s.name for s in divided if s.split == "test" and not s.defective}


@pytest.mark.parametrize("count", [40, 97, 1000])
def test_neighbours_lie_on_one_side(count: int) -> None:
    names = [f"img_{number}.png" for number in range(count)]
    held = held_out(names)
    assert len(held) == pytest.approx(0.2 * count, abs=0.05 * count)
    apart = sum((one in held) != (other in held) for one, other in pairwise(names))
    assert apart <= 8


def test_levels_of_names_are_not_divided() -> None:
    names = [f"strip{strip:02}_tile{tile}.png" for strip in range(12) for tile in range(7)]
    strips = Counter(name.partition("_")[0] for name in held_out(names))
    assert set(strips.values()) == {7} and 2 <= len(strips) <= 3


def test_views_of_a_part_are_not_divided() -> None:
    names = [f"cam{camera}_part{part:03}.png" for camera in (1, 2, 3) for part in range(40)]
    held = held_out(names)
    assert len(held) == 3 * len({name.partition("_")[2] for name in held})


def test_few_images_are_a_block_each_and_the_order_does_not_matter() -> None:
    assert len(set(name_blocks([f"{letter}.png" for letter in "abcdefghij"]).values())) == 10
    names = [f"{number}.png" for number in range(100)]
    assert held_out(names) == held_out(names[::-1])
    blocks = name_blocks(names)
    assert set(Counter(blocks.values()).values()) == {5}
    assert blocks["8.png"] == blocks["9.png"] != blocks["10.png"]


def test_stated_groups_are_kept_whole() -> None:
    given = [good(f"{number}.png", f"lot {number % 9}") for number in range(90)]
    divided, notes = with_test_share([*given, DEFECT], [])
    assert len({(s.group, s.split) for s in divided if not s.defective}) == 9
    assert "in whole groups" in notes[-1]
