"""`excision synth`: the embedded procedural data set."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from excision.cli.console import bars, screen

Surface = Literal["brushed_metal", "cast_grain", "woven_fabric"]


def synth(
    *,
    out: Path,
    surface: list[Surface] | None = None,
    train: int = 80,
    test_good: int = 30,
    per_defect: int = 10,
    size: tuple[int, int] = (256, 256),
    seed: int = 0,
) -> int:
    """Write the embedded procedural data set as a folder in the layout of MVTec AD.

    Example: excision synth --out surfaces/ --surface woven_fabric

    Brushed metal, cast grain and woven fabric, with scratches, pits, stains and cracks and their masks. The
    same options give the same bytes.

    Args:
        out: folder to write.
        surface: a surface to draw, to be given several times for several; all three by default, each in a
            folder of its own.
        train: good training images of each surface.
        test_good: good test images of each surface.
        per_defect: defective test images of each surface and kind of defect.
        size: height and width in pixels.
        seed: another seed gives other pictures.
    """
    from excision.data.surfaces import SURFACES
    from excision.data.synth import write_synthetic

    with bars() as shown:
        write_synthetic(
            out,
            seed=seed,
            size=size,
            train=train,
            test_good=test_good,
            per_defect=per_defect,
            surfaces=tuple(surface or SURFACES),
            progress=shown.part("drawing"),
        )
    screen.print(f"the data set is in {out}; next: excision check {out}")
    return 0
