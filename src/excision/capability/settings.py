"""What a capability study draws, and how much."""

from __future__ import annotations

from dataclasses import dataclass

from excision.capability.kinds import KINDS, Kind
from excision.errors import SettingsError

CONTRASTS = (0.1, 0.2, 0.4)
MOST_PARTS = 300


@dataclass(frozen=True, slots=True)
class StudySettings:
    """Settings of a capability study.

    Attributes:
        drawings: drawings for the curves; those of requirements come in addition.
        minutes: time after which the study stops, with whatever was drawn; None for no limit.
        kinds: kinds to draw.
        contrasts: contrasts to draw each kind at, shares of the range from black to white.
        sizes: smallest and largest size in pixels of the image as given; None for the usual ones.
        requirements: defects that must be found, in words.
        per_region: drawings of each requirement in each of the nine regions of the part.
        mm_per_pixel: millimetres for a pixel of the image as given.
        parts: good parts to draw on, at most.
        whole_image: draw everywhere, even where a background is found.
        seed: of everything random.

    Raises:
        SettingsError: a value is out of range.
    """

    drawings: int = 2000
    minutes: float | None = None
    kinds: tuple[Kind, ...] = KINDS
    contrasts: tuple[float, ...] = CONTRASTS
    sizes: tuple[float, float] | None = None
    requirements: tuple[str, ...] = ()
    per_region: int = 64
    mm_per_pixel: float | None = None
    parts: int = MOST_PARTS
    whole_image: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.drawings < 0 or self.per_region < 1 or self.parts < 1 or self.seed < 0:
            raise SettingsError("drawings, parts and seed are whole numbers of at least 0, 1 and 0")
        if self.drawings == 0 and not self.requirements:
            raise SettingsError("there is nothing to draw: give a number of drawings, or a requirement")
        if not self.kinds or not self.contrasts or not all(0 < one <= 1 for one in self.contrasts):
            raise SettingsError("contrasts are shares of the range from black to white, such as 0.2 or 20%")
        if self.sizes is not None and not 0 < self.sizes[0] < self.sizes[1]:
            raise SettingsError("sizes are the smallest and the largest one in pixels, both above 0")
        if self.mm_per_pixel is not None and not 0 < self.mm_per_pixel < 1e6:
            raise SettingsError(f"--mm-per-pixel is {self.mm_per_pixel}: it must be above 0")
        if self.minutes is not None and not self.minutes > 0:
            raise SettingsError("the time limit must be above 0 minutes")
