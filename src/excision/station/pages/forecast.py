"""What other thresholds would have done to results that are recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from excision.station.store.records import Truth


@dataclass(frozen=True, slots=True)
class Judged:
    """How recorded results are judged by one pair of thresholds.

    Attributes:
        defect: images above the decision threshold.
        review: images in the grey zone.
        good: all others.
        missed: images passed as good that a person confirmed to be defects.
        false_alarms: images above the decision threshold that a person confirmed to be good.
    """

    defect: int = 0
    review: int = 0
    good: int = 0
    missed: int = 0
    false_alarms: int = 0


@dataclass(frozen=True, slots=True)
class Forecast:
    """The same results judged twice.

    Attributes:
        images: how many.
        labelled: how many of them a person judged.
        now: by the present thresholds.
        then: by the proposed ones.
    """

    images: int
    labelled: int
    now: Judged
    then: Judged

    @property
    def more_defects(self) -> int:
        """Give how many more images would be called defective; negative for fewer."""
        return self.then.defect - self.now.defect

    @property
    def newly_missed(self) -> int:
        """Give how many more confirmed defects would pass as good; negative for fewer."""
        return self.then.missed - self.now.missed

    @property
    def more_false_alarms(self) -> int:
        """Give how many more confirmed good parts would be called defective; negative for fewer."""
        return self.then.false_alarms - self.now.false_alarms


Thresholds = tuple[float, float | None]
"""Decision threshold and, where there is a grey zone, where it begins."""


def levels(now: Thresholds, then: Thresholds) -> list[float]:
    """Give the levels above which scores are counted: of each pair, the threshold and where "good" ends."""
    return [level for threshold, review in (now, then) for level in (threshold, _lowest(threshold, review))]


def forecast(counts: Mapping[Truth | None, Sequence[int]]) -> Forecast:
    """Judge recorded scores by two pairs of thresholds.

    Args:
        counts: by what a person said last, or None: images, and images above each of the `levels`, as
            `Store.above` counts them.
    """
    images = sum(found[0] for found in counts.values())
    labelled = sum(found[0] for truth, found in counts.items() if truth is not None)
    return Forecast(images, labelled, _judged(counts, 1), _judged(counts, 3))


def _lowest(threshold: float, review: float | None) -> float:
    return threshold if review is None else min(review, threshold)


def _judged(counts: Mapping[Truth | None, Sequence[int]], place: int) -> Judged:
    images = sum(found[0] for found in counts.values())
    defect = sum(found[place] for found in counts.values())
    not_good = sum(found[place + 1] for found in counts.values())
    bad, fine = counts.get("defect", (0,) * 5), counts.get("good", (0,) * 5)
    return Judged(
        defect=defect,
        review=not_good - defect,
        good=images - not_good,
        missed=bad[0] - bad[place + 1],
        false_alarms=fine[place],
    )
