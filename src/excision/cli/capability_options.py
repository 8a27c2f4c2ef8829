"""The options of a capability study: what is drawn, and which real defects it is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from excision.cli.options import LayoutOption, MmPerPixelOption
from excision.errors import SettingsError

if TYPE_CHECKING:
    from excision.capability.kinds import Kind
    from excision.capability.settings import StudySettings
    from excision.data import Dataset


@Parameter(name="*")
@dataclass
class DrawingOptions:
    """What is drawn, where, and how much."""

    requirement: Annotated[
        list[str] | None,
        Parameter(help="Defect that must be found everywhere on the part; can be repeated.", negative=""),
    ] = None
    mm_per_pixel: MmPerPixelOption = None
    drawings: Annotated[
        int, Parameter(help="Drawings for the curves; those of requirements come in addition.")
    ] = 2000
    per_region: Annotated[
        int, Parameter(help="Drawings of each requirement in each of the nine regions.")
    ] = 64
    minutes: Annotated[
        float | None, Parameter(help="Stop after this time, with whatever was drawn until then.")
    ] = None
    kinds: Annotated[
        list[Literal["scratch", "pit", "stain", "crack", "missing", "foreign"]] | None,
        Parameter(help="Kinds of defects to draw. By default all.", consume_multiple=True, negative=""),
    ] = None
    contrasts: Annotated[
        list[str] | None,
        Parameter(
            help="Differences in brightness to draw at, as shares of the range from black to white. By "
            "default 10% 20% 40%.",
            consume_multiple=True,
            negative="",
        ),
    ] = None
    sizes: Annotated[
        tuple[float, float] | None,
        Parameter(
            help="Smallest and largest size in pixels. By default they follow from the image.", negative=""
        ),
    ] = None
    parts: Annotated[int, Parameter(help="Good images to draw on, at most.")] = 300
    whole_image: Annotated[
        bool, Parameter(help="Draw everywhere, even where a background is recognised.", negative="")
    ] = False
    seed: Annotated[int, Parameter(help="Seed of everything random.")] = 0

    def settings(self) -> StudySettings:
        """Return the settings of the study.

        Raises:
            SettingsError: a value is out of range.
        """
        from excision.capability.kinds import KINDS
        from excision.capability.settings import CONTRASTS, StudySettings

        return StudySettings(
            drawings=self.drawings,
            minutes=self.minutes,
            kinds=tuple(dict.fromkeys(self.kinds or KINDS)),
            contrasts=tuple(map(_share, self.contrasts)) if self.contrasts else CONTRASTS,
            sizes=self.sizes,
            requirements=tuple(self.requirement or ()),
            per_region=self.per_region,
            mm_per_pixel=self.mm_per_pixel,
            parts=self.parts,
            whole_image=self.whole_image,
            seed=self.seed,
        )


def _share(text: str) -> float:
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        raise SettingsError(f"--contrasts {text}: give shares such as 0.2 or 20%") from None


@Parameter(name="*")
@dataclass
class RealOptions:
    """Real defects that the curves are compared with."""

    real: Annotated[
        str | None,
        Parameter(help="Labelled data set with masks, whose defects are compared with the curves."),
    ] = None
    real_kinds: Annotated[
        list[str] | None,
        Parameter(help="Kind of a label of --real, as LABEL=KIND.", consume_multiple=True, negative=""),
    ] = None
    layout: LayoutOption = None

    def dataset(self) -> Dataset | None:
        """Read the data set; None if none is given.

        Raises:
            DatasetError: it cannot be read.
        """
        from excision.data import load_dataset

        return None if self.real is None else load_dataset(self.real, self.layout)

    def kinds(self) -> dict[str, Kind]:
        """Return the kind of each label that is given one.

        Raises:
            SettingsError: an option is not of the form LABEL=KIND.
        """
        from excision.capability.kinds import kind_of

        found: dict[str, Kind] = {}
        for word in self.real_kinds or []:
            label, equals, name = word.rpartition("=")
            kind = kind_of(name)
            if not equals or kind is None:
                raise SettingsError(f"--real-kinds {word}: write LABEL=KIND, for example dent=pit")
            found[label] = kind
        return found
