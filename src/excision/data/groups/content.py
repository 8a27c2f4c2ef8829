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

_FEW_GROUPS = 10
"""Groups that names propose are not joined to fewer, nor called sure."""

_ENOUGH = 20
"""Groups that names propose are joined to blocks only if so many remain; otherwise it is said that they
resemble each other."""


@dataclass
class Search:
    """The groups found so far.

    Attributes:
        names: names of the images in the order in which they were taken, as far as it is known.
        seen: places of those whose content is known; the others follow their neighbours.
        values: (N seen, D) what each looks like, as `components` gives it.
        order: what the order was taken from.
        groups: the group of each image.
        basis: what the groups were found from.
        evidence: what was measured, a sentence each.
        left: whether groups resemble each other that are so few that they were not joined.
    """

    names: Sequence[str]
    seen: Sequence[int]
    values: Features
    order: str
    groups: list[str] = field(init=False)
    basis: str = ""
    evidence: list[str] = field(default_factory=list)
    left: bool = False

    def __post_init__(self) -> None:
        self.groups = list(self.names)

    def try_level(self, level: Level) -> None:
        """Take a level of names for the groups if images that share it resemble each other."""
        if not _contains(level.groups, self.groups):
            return
        units, place = self._units(level.repeated)
        found = test_groups(units, [level.groups[first] for first in place])
        what = "groups" if self.basis else "images"
        held = found.p_value <= _LEVEL and found.share >= MATERIAL
        too_few = bool(self.basis) and len(set(level.groups)) < _FEW_GROUPS <= len(place)
        self.left |= held and too_few
        if held and not too_few:
            self.groups, self.basis = list(level.groups), level.what
        alike = (
            f"have {found.share:.0%} of what they look like in common" if held else "are not alike for that"
        )
        self.evidence.append(
            f"{what} that share {level.what} ({len(set(level.groups))} in all) {alike} "
            f"({_said(found.p_value)})"
            + ("; so few groups could promise nothing, so they stay apart" if held and too_few else "")
        )

    def finish(self, repeated: Sequence[str] | None) -> Grouping:
        """Look for resemblance in the order of what was found, and give the groups."""
        units, place = self._units(repeated)
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
            blocks = divide(units)
            if not self.basis or len(set(blocks.labels)) >= _ENOUGH:
                return self._joined(blocks, place)
        of = dict(zip(self.names, self.groups, strict=True))
        if self.basis:
            left = self.left or depend
            basis = f"{self.basis}; some of these still resemble each other" if left else self.basis
            return Grouping(of, basis, len(place) >= _FEW_GROUPS and not left, tuple(self.evidence))
        enough = len(self.names) >= _FEW
        basis = (
            "every image is independent" if enough else "too few images to tell; each counts as independent"
        )
        return Grouping(of, basis, enough, tuple(self.evidence))

    def _joined(self, blocks: Blocks, place: Sequence[int]) -> Grouping:
        """Join successive groups to blocks."""
        label_of = {self.groups[first]: label for first, label in zip(place, blocks.labels, strict=True)}
        first_of: dict[int, str] = {}
        of, label = {}, blocks.labels[0]
        for name, group in zip(self.names, self.groups, strict=True):
            label = label_of.get(group, label)
            of[name] = f"from {first_of.setdefault(label, group)}"
        return Grouping(of, self._named(blocks), sure=False, evidence=tuple(self.evidence))

    def _units(self, repeated: Sequence[str] | None) -> tuple[Features, list[int]]:
        """Give what each group looks like, and the place of its first image, in their order."""
        values = self.values
        if repeated is not None:
            values = without(values, [repeated[place] for place in self.seen])
        units, first = _means(values, [self.groups[place] for place in self.seen])
        return units, [self.seen[place] for place in first]

    def _named(self, blocks: Blocks) -> str:
        of = f" of groups by {self.basis}" if self.basis else ""
        if blocks.sessions:
            return f"sessions{of} in the order of {self.order}, divided where the images change abruptly"
        if blocks.gone:
            return f"blocks{of} in the order of {self.order}, so long that their resemblance has gone"
        return (
            f"blocks{of} in the order of {self.order}; the images change slowly all the time, so that no "
            "length makes blocks independent"
        )


def search(
    names: Sequence[str],
    looks: Mapping[str, Looks],
    levels: Sequence[Level],
    order: str,
    repeated: Sequence[str] | None,
) -> Grouping:
    """Find the groups of images.

    Args:
        names: names of the images, in the order in which they were taken.
        looks: what they look like, by name; images that are missing follow their neighbours.
        levels: groups that are possible, from the finest to the coarsest.
        order: what the order was taken from, in words.
        repeated: what repeats in the order, such as the position on a part; its effect is taken off.
    """
    seen = [place for place, name in enumerate(names) if name in looks]
    values = components(np.stack([looks[names[place]] for place in seen]))
    found = Search(names, seen, values, order)
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


def _means(values: Features, groups: Sequence[str]) -> tuple[Features, list[int]]:
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
