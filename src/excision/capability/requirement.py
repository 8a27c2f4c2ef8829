"""A requirement in words: which defect a plant must be sure to find.

scratch 0.3 mm x 3 mm
pit 0.5 mm
crack 40 px contrast 15%
missing material 2 x 3 mm
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from excision.capability.kinds import HABITS, NAMES, Kind, kind_of, usual_width
from excision.errors import SettingsError
from excision.settings.length import in_pixels

_NUMBER = r"(\d+(?:[.,]\d+)?|[.,]\d+)"
_UNIT = r"(mm|px|pixels?)?"
_SHAPE = re.compile(
    rf"\s*([a-z][a-z ]*?)\s*{_NUMBER}\s*{_UNIT}(?:\s*[x\u00d7*]\s*{_NUMBER}\s*{_UNIT})?"
    rf"(?:[\s,]*(?:at\s+)?contrast\s*:?\s*{_NUMBER}\s*(%)?)?\s*",
    re.IGNORECASE,
)
_EXAMPLE = 'write for example "scratch 0.3 mm x 3 mm", "pit 12 px" or "crack 40 px contrast 15%"'


@dataclass(frozen=True, slots=True)
class Requirement:
    """A defect that must be found everywhere on the part.

    Attributes:
        text: as given.
        kind: kind of defect.
        size: length or diameter in pixels of the image as given.
        width: width of a line, or the smaller diameter, in pixels.
        contrast: difference in brightness to the surroundings as a share of the range; None if not stated.
    """

    text: str
    kind: Kind
    size: float
    width: float
    contrast: float | None

    def to_json(self) -> dict[str, Any]:
        """Give the values for JSON."""
        return {
            "text": self.text,
            "kind": self.kind,
            "size": self.size,
            "width": self.width,
            "contrast": self.contrast,
        }


def parse_requirement(text: str, mm_per_pixel: float | None = None) -> Requirement:
    """Read a requirement.

    Args:
        text: a kind, one or two sizes with "mm" or "px" (pixels where there is no unit), and a contrast.
        mm_per_pixel: size of a pixel of the image as given.

    Raises:
        SettingsError: it is not understood, a size is not above 0, or millimetres need `mm_per_pixel`.
    """
    found = _SHAPE.fullmatch(text)
    kind = kind_of(found[1]) if found is not None else None
    if found is None or kind is None:
        known = ", ".join(NAMES.values())
        raise SettingsError(f"the requirement {text!r} is not understood: {_EXAMPLE}; the kinds are {known}")
    # "2 x 3 mm" states the unit once, for both.
    units = (found[3] or found[5], found[5] or found[3])
    sizes = [
        in_pixels(number, unit, mm_per_pixel, f"the requirement {text!r}")
        for number, unit in zip((found[2], found[4]), units, strict=True)
        if number is not None
    ]
    size = max(sizes)
    width = min(sizes) if len(sizes) > 1 else usual_width(kind, size)
    if HABITS[kind].line and width > size:
        width = size
    return Requirement(text.strip(), kind, size, width, _contrast(found[6], found[7], text))


def _contrast(number: str | None, percent: str | None, text: str) -> float | None:
    if number is None:
        return None
    value = float(number.replace(",", ".")) / (100 if percent else 1)
    if not 0 < value <= 1:
        raise SettingsError(
            f"the requirement {text!r} has a contrast of {value:g}: it is a share of the range from black to "
            'white, above 0 and at most 1, such as 0.15 or "15%"'
        )
    return value
