"""Which of the groups that names propose the content confirms, and which it shows by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from excision.data.groups.appearance import Looks
from excision.data.groups.blocks import MATERIAL, SIGNIFICANT, Blocks, divide
from excision.data.groups.evidence import Features, components, normal_scores, test_groups, test_order
from excision.data.groups.grouping import Grouping
from excision.data.groups.names import Level

_LEVEL = 0.05
"""Significance of the resemblance within a level that names propose: it is likely beforehand."""

_FEW = 40
"""Among fewer images a resemblance could go unnoticed."""

_FEW_GROUPS = 8


@dataclass
class Search:
    """The groups found so far.

    Attributes:
        names: names of the images in the order in which they were taken, as far as it is known.
        values: (N, D) what each looks like, as `components` gives it.
        order: what the order was taken from.
        groups: the group of each image.
        basis: what the groups were found from.
        evidence: what was measured, a sentence each.
    """

    names: Sequence[str]
    values: Features
    order: str
    groups: list[str] = field(init=False)
    basis: str = ""
    evidence: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.groups = list(self.names)

    def try_level(self, level: Level) -> None:
        """Take a level of names for the groups if images that share it resemble each other."""
        if not _contains(level.groups, self.groups):
            return
        values = self.values if level.repeated is None else without(self.values, level.repeated)
        units, place = _units(values, self.groups)
        found = test_groups(units, [level.groups[first] for first in place])
        what = "images" if len(place) == len(self.names) else "groups"
        held = found.p_value <= _LEVEL and found.share >= MATERIAL
        if held:
            self.groups, self.basis = list(level.groups), level.what
        alike = (
            f"have {found.share:.0%} of what they look like in common" if held else "are not alike for that"
        )
        self.evidence.append(
            f"{what} that share {level.what} ({len(set(level.groups))} in all) {alike} "
            f"({_said(found.p_value)})"
        )

    def finish(self, repeated: Sequence[str] | None) -> Grouping:
        """Look for resemblance in the order of what was found, and give the groups."""
        values = self.values if repeated is None else without(self.values, repeated)
        units, place = _units(values, self.groups)
        found = test_order(units)
        what = (
            f"groups in the order of {self.order}"
            if self.basis
            else f"neighbours in the order of {self.order}"
        )
        depend = found.p_value <= SIGNIFICANT and found.share >= MATERIAL
        self.evidence.append(
            f"{what} {'resemble' if depend else 'do not resemble'} each other more than others do "
            f"({_said(found.p_value)}{f', {found.share:.0%} in common' if depend else ''})"
        )
        if depend:
            return self._blocks(units, place)
        of = dict(zip(self.names, self.groups, strict=True))
        if self.basis:
            return Grouping(of, self.basis, len(place) >= _FEW_GROUPS, tuple(self.evidence))
        enough = len(self.names) >= _FEW
        basis = (
            "every image is independent" if enough else "too few images to tell; each counts as independent"
        )
        return Grouping(of, basis, enough, tuple(self.evidence))

    def _blocks(self, units: Features, place: Sequence[int]) -> Grouping:
        blocks = divide(units)
        starts: dict[int, str] = {}
        block_of: dict[str, str] = {}
        for first, label in zip(place, blocks.labels, strict=True):
            group = self.groups[first]
            block_of[group] = starts.setdefault(label, group)
        of = {name: f"from {block_of[group]}" for name, group in zip(self.names, self.groups, strict=True)}
        return Grouping(of, self._named(blocks), sure=False, evidence=tuple(self.evidence))

    def _named(self, blocks: Blocks) -> str:
        of = f" of groups by {self.basis}" if self.basis else ""
        if blocks.sessions:
            return f"sessions{of} in the order of {self.order}, divided where the images change abruptly"
        if blocks.gone:
            return f"blocks{of} in the order of {self.order}, so long that their resemblance has gone"
        return (
            f"blocks{of} in the order of {self.order}; the images change slowly all the time, so that no length "
            "makes blocks independent"
        )


def search(
    names: Sequence[str],
    looks: Sequence[Looks],
    levels: Sequence[Level],
    order: str,
    repeated: Sequence[str] | None,
) -> Grouping:
    """Find the groups of images.

    Args:
        names: names of the images, in the order in which they were taken.
        looks: what each looks like.
        levels: groups that are possible, from the finest to the coarsest.
        order: what the order was taken from, in words.
        repeated: what repeats in the order, such as the position on a part; its effect is taken off.
    """
    found = Search(names, components(np.stack(looks)), order)
    for level in levels:
        found.try_level(level)
    return found.finish(repeated)


def without(values: Features, repeated: Sequence[str]) -> Features:
    """Take off the mean of all rows that show the same, such as one position, and scale to variance 1."""
    _, labels = np.unique(np.asarray(repeated), return_inverse=True)
    means = np.stack([np.bincount(labels, column) for column in values.T], axis=1)
    rest = values - (means / np.bincount(labels)[:, np.newaxis])[labels]
    scaled: Features = rest / (rest.std(0) + 1e-9)
    return scaled


def _units(values: Features, groups: Sequence[str]) -> tuple[Features, list[int]]:
    """Give the mean of each group as normal scores, in the order of their first rows, and these rows."""
    first: dict[str, int] = {}
    for place, group in enumerate(groups):
        first.setdefault(group, place)
    if len(first) == len(groups):
        return values, list(range(len(groups)))
    number = {group: count for count, group in enumerate(first)}
    labels = np.array([number[group] for group in groups])
    sums = np.stack([np.bincount(labels, column) for column in values.T], axis=1)
    return normal_scores(sums / np.bincount(labels)[:, np.newaxis]), list(first.values())


def _contains(coarse: Sequence[str], fine: Sequence[str]) -> bool:
    """Tell whether no group of `fine` is divided by `coarse`, and some are joined."""
    pairs: Mapping[str, set[str]] = {group: set() for group in fine}
    for large, small in zip(coarse, fine, strict=True):
        pairs[small].add(large)
    return all(len(groups) == 1 for groups in pairs.values()) and len(set(coarse)) < len(pairs)


def _said(p_value: float) -> str:
    return "p < 0.01" if p_value < 0.01 else f"p = {p_value:.2f}"
