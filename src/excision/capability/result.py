"""The result of a study, as Python objects and as the JSON file `capability.json`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from excision.capability.kinds import Kind
from excision.capability.typed_json import build
from excision.errors import ModelError, ResultsError
from excision.system.files import write_json
from excision.system.strict_json import read_json

FORMAT = 1

Relation = Literal["=", "<=", ">", "?"]
Answer = Literal["yes", "not everywhere", "no", "not shown"]


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


@dataclass(frozen=True, slots=True)
class Capability:
    """What a model is sure to find, and how that was measured.

    Attributes:
        model: name of the model's folder.
        model_id: hash of its weights, which tells whether a stored result belongs to the model.
        threshold: decision threshold at which it was measured.
        date: day of the study, YYYY-MM-DD.
        seed: of everything random.
        rate: wanted probability of detection; a90 is for 0.9.
        confidence: confidence of all limits.
        parts: good parts on which defects were drawn.
        groups: number of groups that they form.
        false_calls: good parts that are called defective without a defect; nothing was drawn on them.
        false_call_lower: lower end of the 90 % interval of the rate of false calls.
        false_call_upper: upper end.
        trained_on: number of images that were left out because the model was trained on them; None if the
            model's folder does not tell.
        height: of the images in pixels.
        width: of the images.
        reduction: pixels of an image for one that the model sees, on each side.
        background: whether a background was recognised, where nothing was drawn.
        mm_per_pixel: millimetres for a pixel of the image as given; None if unknown.
        drawings: number of all drawings.
        cut: share of them that were cut by more than a tenth at the outline of the part.
        curves: probability of detection by kind and contrast.
        maps: the smallest detectable defect over the part, by kind.
        requirements: answers.
        real: comparison with real defects; None if there were none.
        notes: what a reader must know, a sentence each.
        example: picture of one good part, WebP in base64, opaque where the part is; "" if there is none.
        box: top, left, bottom and right of the box around that part, as shares of the picture.
        format: of the file.
    """

    model: str
    model_id: str
    threshold: float
    date: str
    seed: int
    rate: float
    confidence: float
    parts: int
    groups: int
    false_calls: int
    false_call_lower: float
    false_call_upper: float
    trained_on: int | None
    height: int
    width: int
    reduction: float
    background: bool
    mm_per_pixel: float | None
    drawings: int
    cut: float
    curves: tuple[Curve, ...]
    maps: tuple[PlaceMap, ...]
    requirements: tuple[RequirementResult, ...]
    real: RealComparison | None
    notes: tuple[str, ...]
    example: str
    box: tuple[float, ...]
    format: int = FORMAT

    @property
    def fulfilled(self) -> bool:
        """Whether every requirement is answered with yes."""
        return all(one.answer == "yes" for one in self.requirements)

    def save(self, path: Path) -> None:
        """Write the result as JSON, atomically."""
        write_json(path, dataclasses.asdict(self))

    @classmethod
    def load(cls, path: Path) -> Capability:
        """Read a result.

        Raises:
            ResultsError: the file is missing, damaged, or of a later format.
        """
        try:
            content = read_json(path)
        except ModelError as error:
            raise ResultsError(str(error)) from error
        if isinstance(content, dict) and type(content.get("format")) is int and content["format"] > FORMAT:
            raise ResultsError(
                f"{path}: format {content['format']} is later than {FORMAT}, the latest that this version of "
                "Excision reads: update this installation"
            )
        try:
            found: Capability = build(cls, content)
        except (TypeError, ValueError, OverflowError) as error:
            raise ResultsError(f"{path}: this is not the result of a capability study: {error}") from error
        return found
