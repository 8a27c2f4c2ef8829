"""The answer to a requirement, region by region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from excision.capability.kinds import Kind

Answer = Literal["yes", "not everywhere", "no", "not shown"]


@dataclass(frozen=True, slots=True)
class Region:
    """What was found of a required defect in one region of the part.

    Attributes:
        name: of the region.
        number: number of drawings.
        hits: how many were found.
        groups: number of groups of parts, which are independent.
        lower: lower 95 % confidence limit of the rate.
        upper: upper 95 % confidence limit.
        answer: "yes" if the lower limit reaches the wanted rate, "no" if the upper limit does not, otherwise
            "not shown".
    """

    name: str
    number: int
    hits: int
    groups: int
    lower: float
    upper: float
    answer: Answer


@dataclass(frozen=True, slots=True)
class RequirementResult:
    """The answer to a requirement.

    Attributes:
        text: the requirement as given.
        kind: kind of defect.
        size: length or diameter in pixels.
        width: width in pixels.
        contrast: contrast that it was drawn at.
        contrast_stated: whether the requirement states it.
        answer: "yes" everywhere, "not everywhere", "no", or "not shown" with so few parts or drawings.
        sentence: the answer with its reasons.
        number: number of drawings.
        hits: how many were found.
        groups: number of groups of parts.
        lower: lower 95 % confidence limit of the rate over the whole part.
        regions: the nine regions.
    """

    text: str
    kind: Kind
    size: float
    width: float
    contrast: float
    contrast_stated: bool
    answer: Answer
    sentence: str
    number: int
    hits: int
    groups: int
    lower: float
    regions: tuple[Region, ...]
