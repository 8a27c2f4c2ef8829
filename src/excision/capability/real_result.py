"""What real defects say about the curves of drawn ones."""

from __future__ import annotations

from dataclasses import dataclass

from excision.capability.curve import Bin


@dataclass(frozen=True, slots=True)
class RealBin:
    """Real defects of similar length.

    Attributes:
        kind: kind whose curve predicts them; "any" for all kinds together.
        label: label in the data set.
        observed: numbers and rate.
        predicted: mean probability of detection that drawings of this length and contrast have.
        contrast: median of the measured contrast.
    """

    kind: str
    label: str
    observed: Bin
    predicted: float
    contrast: float


@dataclass(frozen=True, slots=True)
class RealComparison:
    """Drawn and real defects compared.

    Attributes:
        dataset: name of the data set.
        number: real defects with a mask.
        hits: how many were found.
        predicted: expected share of hits.
        lower: lower end of the 90 % interval of the observed share.
        upper: upper end.
        outside: number of defects whose length or contrast lies outside what was drawn.
        bins: by label and length.
        sentence: how far the curves are to be trusted.
    """

    dataset: str
    number: int
    hits: int
    predicted: float
    lower: float
    upper: float
    outside: int
    bins: tuple[RealBin, ...]
    sentence: str
