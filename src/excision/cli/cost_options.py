"""The options of a threshold of least expected cost."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from excision.cli.options import number
from excision.cli.output import say_lines
from excision.cli.places import Use
from excision.progress import Bars

if TYPE_CHECKING:
    from excision.method.calibration import Costs
    from excision.runtime.inspector import Inspector

_PANEL = Group("Least expected cost", help="Instead of --false-alarm-rate; all four together.", sort_key=1)


@Parameter(name="*")
@dataclass
class CostOptions:
    """What errors cost, and examples of defective parts; None where it is not given."""

    cost_of_escape: Annotated[
        float | None, Parameter(help="Cost of a defective part that passes as good.", group=_PANEL)
    ] = None
    cost_of_false_alarm: Annotated[
        float | None,
        Parameter(help="Cost of a good part that is called defective, in the same unit.", group=_PANEL),
    ] = None
    defect_share: Annotated[
        float | None,
        Parameter(
            help="Share of defective parts on the line, such as 0.1%. It cannot be taken from the examples, "
            "among which defective parts are far more frequent.",
            converter=number,
            group=_PANEL,
        ),
    ] = None
    defects: Annotated[
        list[Path] | None,
        Parameter(
            help="Images of parts that a person marked as defective, folders of such images, or labelled "
            "data sets.",
            group=_PANEL,
            negative="",
            consume_multiple=True,
        ),
        Use.READ_ANY,
    ] = None

    def costs(self) -> Costs:
        """Return what errors cost.

        Raises:
            SettingsError: an option is missing, or out of range.
        """
        from excision.errors import SettingsError
        from excision.method.calibration import Costs

        missing = [
            f"--{field.name.replace('_', '-')}" for field in fields(self) if getattr(self, field.name) is None
        ]
        if missing:
            raise SettingsError(f"a threshold of least expected cost also needs {' and '.join(missing)}")
        assert self.cost_of_escape is not None and self.cost_of_false_alarm is not None
        assert self.defect_share is not None
        return Costs(self.cost_of_escape, self.cost_of_false_alarm, self.defect_share)

    def score(self, inspector: Inspector) -> list[float]:
        """Score the defective parts."""
        from excision.inspection.defective_images import find_defective_images, score_defective_images

        with Bars() as bars:
            images = find_defective_images(self.defects or [])
            scores, unreadable = score_defective_images(inspector, images, bars.part("defective parts"))
        say_lines((f"Skipped: {why}" for why in unreadable[:20]), len(unreadable), "are left out")
        return scores
