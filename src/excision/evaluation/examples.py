"""Which images a report shows, and the outcome of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from excision.data.records import GOOD
from excision.predictions import Prediction, Verdict

Outcome = Literal[
    "missed defect",
    "false alarm",
    "detected defect",
    "passed good",
    "unfit defect",
    "unfit good",
    "defect",
    "review",
    "good",
    "unfit",
]

DEFAULT_LIMIT = 24

# A reader must see the errors; the other images show what correct results look like.
_SHARES: dict[Outcome, float] = {
    "missed defect": 1 / 3,
    "false alarm": 1 / 4,
    "detected defect": 1 / 4,
    "passed good": 1 / 6,
}

_UNFIT: tuple[Outcome, ...] = ("unfit good", "unfit defect")


@dataclass(frozen=True, slots=True)
class ScoredImage:
    """A test image without its pixels.

    Attributes:
        name: name of the sample.
        label: "good" or the kind of defect.
        score: anomaly score.
        verdict: "good", "review", "defect" or "unfit".
        p_value: conformal p-value of the score; None if it is unknown.
        unfit: why the image is not fit to be inspected; empty if it is.
        group: images of one group show the same part, strip or moment; its own name if it is alone.
    """

    name: str
    label: str
    score: float
    verdict: Verdict
    p_value: float | None = None
    unfit: tuple[str, ...] = ()
    group: str = ""

    @property
    def defective(self) -> bool:
        """Tell whether the label is a kind of defect."""
        return self.label != GOOD

    @property
    def outcome(self) -> Outcome:
        """What label and verdict together mean."""
        return outcome(self.label, self.verdict)


@dataclass(frozen=True, slots=True)
class Example:
    """An image to show with every stage.

    Attributes:
        name: name of the image.
        label: "good", the kind of defect, or None if unknown.
        prediction: prediction with every stage.
        ground_truth: (H, W) bool of the size of the anomaly map; None if it is unknown or empty.
    """

    name: str
    label: str | None
    prediction: Prediction
    ground_truth: NDArray[np.bool_] | None = None

    @property
    def outcome(self) -> Outcome:
        """Outcome of label and verdict; without a label, the verdict."""
        return outcome(self.label, self.prediction.verdict)


def outcome(label: str | None, verdict: Verdict) -> Outcome:
    """Name the outcome of an image with this label (None if unknown) and verdict."""
    if label is None:
        return verdict
    if verdict == "unfit":
        return "unfit good" if label == GOOD else "unfit defect"
    if label == GOOD:
        return "passed good" if verdict == "good" else "false alarm"
    return "missed defect" if verdict == "good" else "detected defect"


def choose_examples(images: Sequence[ScoredImage], limit: int = DEFAULT_LIMIT) -> list[ScoredImage]:
    """Choose the images worth showing.

    These are the worst misses (lowest scores first), the worst false alarms (highest first), the strongest
    detections (each kind of defect in turn), the clearest good images (lowest first), and up to a sixth that
    were unfit. If there are fewer of one, the others get its places.

    Args:
        images: scored and labelled images.
        limit: largest number of images.

    Returns:
        The chosen images, one outcome after another in the order above.
    """
    unfit = [i for name in _UNFIT for i in worst_first(images, name)][: limit // 6]
    limit -= len(unfit)
    ranked = {name: worst_first(images, name) for name in _SHARES}
    ranked["detected defect"] = _kinds_in_turn(ranked["detected defect"])
    places = {name: min(int(limit * share), len(ranked[name])) for name, share in _SHARES.items()}
    for name in ("detected defect", "missed defect", "false alarm", "passed good"):
        spare = limit - sum(places.values())
        places[name] = min(places[name] + spare, len(ranked[name]))
    return [image for name in _SHARES for image in ranked[name][: places[name]]] + unfit


def worst_first(images: Sequence[ScoredImage], wanted: Outcome) -> list[ScoredImage]:
    """Give the images of one outcome: lowest scores first if the verdict is good, otherwise highest first."""
    sign = -1 if wanted in ("false alarm", "detected defect") else 1
    return sorted((i for i in images if i.outcome == wanted), key=lambda i: (sign * i.score, i.name))


def _kinds_in_turn(images: Sequence[ScoredImage]) -> list[ScoredImage]:
    """Reorder so that the strongest of each kind come before the second of any kind."""
    kinds = defaultdict(list)
    for image in images:
        kinds[image.label].append(image)
    turns = chain.from_iterable(zip_longest(*kinds.values()))
    return [image for image in turns if image is not None]
