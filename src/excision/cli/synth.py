"""`excision synth`: the embedded procedural data set."""

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
    help_epilogue="Brushed metal, cast grain and woven fabric, and a machined part a few pixels aside, "
    "with scratches, pits, stains and cracks, on the part burrs too, and their masks, laid out as MVTec AD. "
    "The same options give the same bytes.\n\n"
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
            help="Surface to draw; give it several times for several. All four where not given. Of several, "
            "each has a folder of its own.",
            negative="",
        ),
    ] = None,
    train: Annotated[int, Parameter(help="Good training images of each surface.")] = 80,
    test_good: Annotated[int, Parameter(help="Good test images of each surface.")] = 30,
    per_defect: Annotated[int, Parameter(help="Test images of each surface and kind of defect.")] = 10,
    size: SizeOption = (256, 256),
    seed: Annotated[int, Parameter(help="Another seed gives other pictures.")] = 0,
) -> None:
    """Write the embedded data set."""
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
    say(f"The data set is in {out}; next: excision check {shlex.quote(str(folder))}")
