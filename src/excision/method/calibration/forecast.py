"""What good images will be able to promise, before anything is trained or scored."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from excision.method.calibration.needed import best_promise, groups_needed, groups_needed_on_average
from excision.method.calibration.rule import rate_without_odd
from excision.method.calibration.words import at_most, counted, percent
from excision.settings.calibration import OddRule


@dataclass(frozen=True, slots=True)
class Forecast:
    """The lowest false-alarm rate that held-out good images can promise, and what the wanted one takes.

    Attributes:
        images: number of held-out good images.
        groups: number of groups that they are of.
        wanted_rate: wanted false-alarm rate.
        confidence: of the promise.
        rate: lowest rate, not below the wanted one, that can be promised with this confidence.
        average_rate: lowest rate, not below the wanted one, that can be promised on average.
        rate_without_odd: rate that is promised if one group has an odd image, out of line with all others,
            and is passed over; None if none would be.
        groups_needed: groups that it takes to promise the wanted rate with this confidence.
        groups_needed_on_average: groups that it takes to promise it on average.
    """

    images: int
    groups: int
    wanted_rate: float
    confidence: float
    rate: float
    average_rate: float
    rate_without_odd: float | None
    groups_needed: int
    groups_needed_on_average: int

    @classmethod
    def of(
        cls,
        sizes: Sequence[int],
        wanted_rate: float,
        confidence: float,
        odd_image: OddRule = "pass_over",
    ) -> Forecast:
        """Forecast the promise of held-out good images.

        Args:
            sizes: number of images of each group; at least one.
            wanted_rate: between 0 and 1.
            confidence: 0.5 to below 1.
            odd_image: what is done with an odd image.
        """
        passes_over = odd_image == "pass_over"
        return cls(
            images=sum(sizes),
            groups=len(sizes),
            wanted_rate=wanted_rate,
            confidence=confidence,
            rate=best_promise(sizes, confidence, wanted_rate),
            average_rate=max(wanted_rate, 1 / (len(sizes) + 1)),
            rate_without_odd=rate_without_odd(sizes, wanted_rate, confidence) if passes_over else None,
            groups_needed=groups_needed(wanted_rate, confidence),
            groups_needed_on_average=groups_needed_on_average(wanted_rate),
        )

    def explain(self) -> str:
        """Say it in words."""
        units = "groups" if self.groups < self.images else "images, each a group of its own"
        sure = f"with {percent(self.confidence)} confidence"
        told = (
            f"{counted(self.images, 'image', 'images')} in {counted(self.groups, 'group', 'groups')} can "
            f"promise that at most {at_most(self.rate)} of good parts are called defective, {sure} "
            f"(on average at most {at_most(self.average_rate)})."
        )
        if self.rate > self.wanted_rate:
            told += (
                f" The wanted {percent(self.wanted_rate)} {sure} takes {self.groups_needed} "
                f"{units} (on average: {self.groups_needed_on_average})."
            )
        return told + self._warning()

    def _warning(self) -> str:
        if self.rate_without_odd is None:
            return ""
        what = "its group" if self.groups < self.images else "it"
        return (
            " If one image scores far out of line with all others, which only training can show, the "
            f"threshold passes over {what}, and the promise is at most {at_most(self.rate_without_odd)} "
            "instead. With --calibration.odd_image keep it sets the threshold, and defects that score "
            "less are missed."
        )

    def as_json(self) -> dict[str, Any]:
        """Give the figures for a JSON file."""
        return dataclasses.asdict(self)
