"""Counts of test images: by kind of defect, and by group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from excision.evaluation.examples import ScoredImage


@dataclass(frozen=True, slots=True)
class KindDetection:
    """Detection of one kind of defect: fit images, those of them that were found, and unfit images."""

    kind: str
    images: int
    detected: int
    unfit: int = 0

    @property
    def rate(self) -> float | None:
        """Share of the fit images that were found; None if none was fit."""
        return self.detected / self.images if self.images else None


def kinds_of(images: Sequence[ScoredImage]) -> tuple[KindDetection, ...]:
    """Count the images of each kind of defect, in the order of their names."""
    found: dict[str, Counter[str]] = {}
    for image in images:
        if image.defective:
            found.setdefault(image.label, Counter())[image.verdict] += 1
    return tuple(
        KindDetection(kind, verdicts.total() - verdicts["unfit"], verdicts["defect"], verdicts["unfit"])
        for kind, verdicts in sorted(found.items())
    )


@dataclass(frozen=True, slots=True)
class Groups:
    """How many independent draws images are.

    Attributes:
        groups: number of groups.
        effective: number of independent images that say as much, if the images of a group say the same: the
            square of the sum of the groups' sizes over the sum of their squares (Kish, "Survey Sampling",
            1965, section 11.7).
    """

    groups: int
    effective: float


def normal_groups(images: Sequence[ScoredImage]) -> Groups:
    """Count the groups of the good images that were fit."""
    sizes = Counter(
        image.group or image.name for image in images if not image.defective and image.verdict != "unfit"
    ).values()
    return Groups(len(sizes), sum(sizes) ** 2 / sum(size * size for size in sizes) if sizes else 0.0)
