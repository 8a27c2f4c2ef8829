"""`excision synth`: the built-in procedural data set."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from excision.cli.options import SizeOption
from excision.cli.output import say
from excision.progress import Bars

Surface = Literal["brushed_metal", "cast_grain", "woven_fabric", "machined_part"]

app = App(
    name="synth",
    help_epilogue="Writes images of brushed metal, cast grain and woven fabric, and of a machined part "
    "that is displaced by a few pixels, in the layout of MVTec AD. The defects are scratches, pits, stains "
    "and cracks, on the part also burrs, and have masks. The same options give the same bytes.\n\n"
    "```\n"
    "excision synth --out surfaces/\n"
    "excision synth --out fabric/ --surface woven_fabric --train 200 --seed 1\n"
    "```",
)


@app.default
def synth(
    *,
    out: Annotated[Path, Parameter(help="Folder to write.")],
    surface: Annotated[
        list[Surface] | None,
        Parameter(
            help="Surface to draw; repeat the option for several. By default all four. Each of several "
            "gets its own folder.",
            negative="",
        ),
    ] = None,
    train: Annotated[int, Parameter(help="Number of good training images per surface.")] = 80,
    test_good: Annotated[int, Parameter(help="Number of good test images per surface.")] = 30,
    per_defect: Annotated[int, Parameter(help="Number of test images per surface and kind of defect.")] = 10,
    size: SizeOption = (256, 256),
    seed: Annotated[int, Parameter(help="Seed of the drawing; another seed gives other images.")] = 0,
) -> None:
    """Write the built-in data set."""
    from excision.synthetic.dataset import SUBJECTS, write_synthetic

    surfaces = tuple(surface or SUBJECTS)
    with Bars() as bars:
        write_synthetic(
            out,
            seed=seed,
            size=size,
            train=train,
            test_good=test_good,
            per_defect=per_defect,
            surfaces=surfaces,
            progress=bars.part("drawing"),
        )
    folder = out if len(surfaces) == 1 else out / surfaces[0]
    say(f"Wrote the data set to {out}. Next: excision check {shlex.quote(str(folder))}")
