"""The options of how long kept images stay, and of who may read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from excision.station.work.retention import Rules


@Parameter(name="*")
@dataclass
class KeepOptions:
    """How long kept images stay."""

    keep_days: Annotated[
        list[str] | None,
        Parameter(
            help="Days to keep images for, as 30, or as good=7 for one verdict. Results, and images with "
            "a label, always stay.",
            consume_multiple=True,
            negative="",
        ),
    ] = None
    keep_gigabytes: Annotated[
        float | None, Parameter(help="Size that kept images may have in all; the oldest are removed first.")
    ] = None

    def rules(self) -> Rules:
        """Return the rules of a clean-up; none if no option is given.

        Raises:
            SettingsError: an option is not valid.
        """
        from excision.station.work.retention import Rules

        return Rules.read(self.keep_days or [], self.keep_gigabytes)


@Parameter(name="*")
@dataclass
class RetentionOptions(KeepOptions):
    """How long kept images stay, and who may read them."""

    shared: Annotated[
        bool, Parameter(help="Let the group of this user read and write the files, too.", negative="")
    ] = False
