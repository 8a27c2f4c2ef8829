"""`excision attention pretrain`: train the attention weights again, from MNIST."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from excision.cli.options import VariantOption
from excision.cli.output import figure, say, say_facts
from excision.progress import Bars

app = App(
    name="pretrain",
    help_epilogue="Reads the four IDX files of MNIST, gzipped or not; nothing is downloaded. Writes the "
    "weights and a record of how they were trained. `plain` is the classifier of the paper; `surface` "
    "learns to find digits drawn on procedural surfaces.\n\n"
    "```\n"
    "excision attention pretrain --mnist mnist/ --variant plain --out weights/\n"
    "excision attention pretrain --mnist mnist/ --variant surface --out weights/\n"
    "```",
)


@app.default
def pretrain(
    *,
    mnist: Annotated[Path, Parameter(help="Folder with the four IDX files of MNIST.")],
    variant: VariantOption = "surface",
    out: Annotated[Path, Parameter(help="Folder to write the weights to.")] = Path("attention"),
    steps: Annotated[
        int | None, Parameter(help="Number of training steps. By default that of the weights in the package.")
    ] = None,
    seed: Annotated[int, Parameter(help="Seed of all random numbers.")] = 0,
) -> None:
    """Pre-train one attention network."""
    from excision.method.attention.pretrain import pretrain as make

    with Bars() as bars:
        report = make(mnist, variant, out, steps, seed, bars.training)
    figures = {name: value for name, value in dataclasses.asdict(report).items() if value is not None}
    say_facts((name, figure(value)) for name, value in figures.items())
    say(f"Weights: {out / f'{variant}.safetensors'}")
