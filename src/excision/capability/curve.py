"""A probability-of-detection curve for one kind and contrast, and the map of it over the part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from excision.capability.kinds import Kind

Relation = Literal["=", "<=", ">", "?"]


@dataclass(frozen=True, slots=True)
class Size:
    """A size in pixels of the image as given, within the sizes that were drawn.

    Attributes:
        value: None if nothing can be said.
        relation: "=" as it is; "<=" at most the smallest size drawn; ">" not reached at the largest size
            drawn; "?" nothing can be said.
    """

    value: float | None
    relation: Relation


@dataclass(frozen=True, slots=True)
class Bin:
    """Drawings, or real defects, of similar size.

    Attributes:
        low: smallest size in pixels.
        high: largest size.
        number: how many there are.
        hits: how many of them were found.
        lower: lower end of the 90 % interval of the rate.
        upper: upper end.
    """

    low: float
    high: float
    number: int
    hits: int
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Curve:
    """Probability of detection over size, for one kind and contrast.

    Attributes:
        kind: kind of defect.
        contrast: stated contrast, share of the range from black to white.
        drawings: number of drawings.
        hits: how many were found.
        smallest: smallest size drawn, in pixels.
        largest: largest size drawn.
        intercept: b0 of the logit model.
        slope: b1 of the logit model.
        fit_p: p-value of the goodness of fit; None if there are too few drawings to tell.
        fits: whether the model can be used; if not, a90 and a90/95 are not given.
        a50: size that is found in half of the cases.
        a90: size that is found in 90 % of the cases.
        a90_95: upper 95 % confidence limit of a90: the larger of the next two.
        a90_95_likelihood: by the likelihood ratio, drawings taken as independent.
        a90_95_bootstrap: by the bootstrap over groups of parts.
        signal_a90: a90 by a-hat versus a; None if this model cannot be fitted.
        signal_a90_95: its upper 95 % confidence limit by the delta method.
        censored: share of the drawings that did not raise the score of their part; None likewise.
        size: sizes (N,) of the curve in pixels.
        pod: probability of detection at each.
        lower: lower edge of the 90 % band: with 95 % confidence POD is above it.
        upper: upper edge.
        bins: what was observed.
    """

    kind: Kind
    contrast: float
    drawings: int
    hits: int
    smallest: float
    largest: float
    intercept: float
    slope: float
    fit_p: float | None
    fits: bool
    a50: Size
    a90: Size
    a90_95: Size
    a90_95_likelihood: Size
    a90_95_bootstrap: Size
    signal_a90: Size | None
    signal_a90_95: Size | None
    censored: float | None
    size: tuple[float, ...]
    pod: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class PlaceMap:
    """The smallest detectable defect over the part: a90 at each place, for one kind and contrast.

    Attributes:
        kind: kind of defect.
        contrast: stated contrast.
        smallest: smallest size drawn: smaller values are not told apart.
        largest: largest size drawn.
        prior: deviation of the effect of the place on the log odds; 0 if none was found.
        rows: number of rows.
        columns: number of columns.
        sizes: a90 in pixels in reading order; None where even the largest size drawn is not reached.
    """

    kind: Kind
    contrast: float
    smallest: float
    largest: float
    prior: float
    rows: int
    columns: int
    sizes: tuple[float | None, ...]
