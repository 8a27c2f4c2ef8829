"""Groups that a person or a data set states."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from excision.data.groups import GroupRule, find_groups
from excision.errors import DatasetError, SettingsError


def images(*names: str) -> dict[str, Path]:
    return {name: Path(name) for name in names}


def test_a_regular_expression_gives_its_first_parenthesis_or_its_match() -> None:
    names = images("strip01_tile_1.png", "strip01_tile_2.png", "strip02_tile_1.png")
    for text in (r"strip(\d+)", r"strip\d+"):
        found = find_groups(names, GroupRule.parse(text))
        assert found.count == 2
        assert found.sure
        assert found.of["strip01_tile_1.png"] == found.of["strip01_tile_2.png"]


def test_names_that_do_not_match_are_refused() -> None:
    with pytest.raises(
        DatasetError, match=re.escape("1 of 2 image names do not match it, such as other.png")
    ):
        find_groups(images("strip01.png", "other.png"), GroupRule.parse(r"strip(\d+)"))


@pytest.mark.parametrize("text", ["", "(", "time:", "time:0s", "time:5 weeks"])
def test_a_rule_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"time:60s"):
        GroupRule.parse(text)


def test_every_image_alone_and_every_folder() -> None:
    names = images("a/1.png", "a/2.png", "b/1.png")
    assert find_groups(names, GroupRule.parse("each")).count == 3
    assert find_groups(names, GroupRule.parse("folder")).sizes == (1, 2)
