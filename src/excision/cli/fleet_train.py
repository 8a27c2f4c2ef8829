"""`excision fleet train`: every model of a fleet, each in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from excision.cli.fleet_options import (
    EngineOptions,
    FleetAlsoOption,
    FleetDeviceOption,
    say_fleet,
    work,
)

app = App(
    name="train",
    help_epilogue="`--out` receives a run folder for each model, as `excision train` writes it, and "
    "`fleet.json`, `fleet.csv` and `report.html`: what each model promises, and what needs a person and why. "
    "A finished model is not trained again unless its images or settings change; the earlier one is then "
    "kept in the folder `earlier`. The exit status is 2 if a model failed.\n\n"
    "```\n"
    "excision fleet train fleet.toml --out runs/fleet\n"
    "excision fleet train fleet.toml --out runs/fleet --workers 4 --also parquet\n"
    "excision fleet train fleet.toml --out /shared/fleet --engine ray --address auto\n"
    "```",
)


@app.default
def train(
    fleet: Annotated[Path, Parameter(help="File of the models, fleet.toml.")],
    /,
    *,
    out: Annotated[Path, Parameter(help="Folder to write, with a run folder for each model.")],
    options: EngineOptions | None = None,
    device: FleetDeviceOption = "auto",
    also: FleetAlsoOption = None,
) -> int:
    """Train every model of a fleet, and calibrate it."""
    from excision.fleet.plan import read_fleet

    return say_fleet(out, work("train", out, lambda: read_fleet(fleet), options, also, device=device))
