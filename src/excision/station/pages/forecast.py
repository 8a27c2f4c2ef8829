"""What other thresholds would have done to results that are recorded."""

from __future__ import annotations

from collections.abc import Iterable
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


def forecast(scores: Iterable[tuple[float, Truth | None]], now: Thresholds, then: Thresholds) -> Forecast:
    """Judge recorded scores by two pairs of thresholds.

    Args:
        scores: anomaly score and what a person said last, as `Store.labelled_scores` gives them; read once.
        now: the present thresholds.
        then: the proposed ones.
    """
    tallies = (_Tally(*now), _Tally(*then))
    images = labelled = 0
    for score, truth in scores:
        images += 1
        labelled += truth is not None
        for tally in tallies:
            tally.add(score, truth)
    return Forecast(images, labelled, tallies[0].judged(), tallies[1].judged())


class _Tally:
    def __init__(self, threshold: float, review: float | None) -> None:
        self._threshold = threshold
        self._lowest = threshold if review is None else review
        self._counts = {"defect": 0, "review": 0, "good": 0, "missed": 0, "false_alarms": 0}

    def add(self, score: float, truth: Truth | None) -> None:
        counts = self._counts
        if score > self._threshold:
            counts["defect"] += 1
            counts["false_alarms"] += truth == "good"
        elif score > self._lowest:
            counts["review"] += 1
        else:
            counts["good"] += 1
            counts["missed"] += truth == "defect"

    def judged(self) -> Judged:
        return Judged(**self._counts)
