"""A partition of images into groups, with what it was found from and how sure it is."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

_SHOWN = 3
"""Groups, and images of a group, that an example names."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which images belong together.

    Images of one group may resemble each other; those of different groups count as independent.

    Attributes:
        of: the group of each image, by the image's name.
        basis: what the groups were found from, as a sentence without a full stop.
        sure: whether names and content agree, or a person said it; False where the groups were chosen rather
            too large than too small.
        evidence: what was measured, a sentence each.
    """

    of: Mapping[str, str]
    basis: str
    sure: bool
    evidence: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Number of groups."""
        return len(set(self.of.values()))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of images of each group, in ascending order."""
        return tuple(sorted(Counter(self.of.values()).values()))

    def examples(self) -> dict[str, tuple[str, ...]]:
        """Give the largest groups by name, each with some of its images."""
        members: dict[str, list[str]] = defaultdict(list)
        for name, group in self.of.items():
            members[group].append(name)
        largest = sorted(members, key=lambda group: (-len(members[group]), group))[:_SHOWN]
        return {group: tuple(sorted(members[group])[:_SHOWN]) for group in largest}


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """What `excision check` reports of a grouping.

    Attributes:
        count: number of groups.
        smallest: images of the smallest group.
        median: images of the median group.
        largest: images of the largest group.
        basis: as in `Grouping`.
        sure: as in `Grouping`.
        evidence: as in `Grouping`.
        examples: the largest groups, each with some of its images.
    """

    count: int
    smallest: int
    median: float
    largest: int
    basis: str
    sure: bool
    evidence: tuple[str, ...]
    examples: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, grouping: Grouping) -> GroupSummary:
        """Summarise a grouping."""
        sizes = grouping.sizes or (0,)
        return cls(
            grouping.count,
            sizes[0],
            float(median(sizes)),
            sizes[-1],
            grouping.basis,
            grouping.sure,
            grouping.evidence,
            grouping.examples(),
        )

    def describe(self) -> str:
        """Say how many groups there are and how large, such as "14 groups of 20 to 31 images"."""
        if not self.count:
            return "none"
        count = f"{self.count} group{'s' if self.count != 1 else ''}"
        if self.largest == 1:
            return f"{count} of one image each"
        if self.smallest == self.largest:
            return f"{count} of {self.largest} images{' each' if self.count > 1 else ''}"
        return f"{count} of {self.smallest} to {self.largest} images, median {self.median:g}"
