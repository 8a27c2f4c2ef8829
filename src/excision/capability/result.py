"""The result of a study, as Python objects and as the JSON file `capability.json`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from excision.capability.curve import Curve, PlaceMap
from excision.capability.real_result import RealComparison
from excision.capability.requirement_result import RequirementResult
from excision.capability.typed_json import build
from excision.errors import ModelError, ResultsError
from excision.system.files import write_json
from excision.system.strict_json import read_json

FORMAT = 1


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
