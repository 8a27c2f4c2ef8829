"""What a training tells of suspects: good images that look defective."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from excision.cli.output import say, say_text

if TYPE_CHECKING:
    from excision.method.suspects import Suspect

_SHOWN = 10


def say_suspects(out: Path, suspects: tuple[Suspect, ...], dropped: int) -> None:
    """Print which good images look defective, and what to do."""
    from excision.report.suspects import FOLDER, TABLE

    if dropped:
        say_text(
            f"\nLeft out {_images(dropped)} as suspects, listed in {out / FOLDER / TABLE}. The false-alarm "
            "promise holds if they show defects. It does not count them if they are good: look at "
            f"{out / FOLDER / 'report.html'}."
        )
    elif suspects:
        say(f"\nSuspects: {_images(len(suspects))} given as good look defective, strongest first:")
        for suspect in suspects[:_SHOWN]:
            say(f"  {suspect.name}: anomaly score {suspect.score:.4g}")
        if len(suspects) > _SHOWN:
            say(f"  ... and {len(suspects) - _SHOWN} more, listed in {out / FOLDER / TABLE}")
        say_text(
            f"Look at {out / FOLDER / 'report.html'}. Remove those that show a defect from the data, or "
            "train again with --drop-suspects, which leaves all of them out."
        )


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"
