"""`excision fleet evaluate`: every model of a fleet on its test images."""

from __future__ import annotations

from cyclopts import App

from excision.cli.fleet_options import (
    EngineOptions,
    FleetAlsoOption,
    FleetArgument,
    FleetDeviceOption,
    say_fleet,
    work,
)

app = App(
    name="evaluate",
    help_epilogue="Each model is measured on the test part of its data, or on the folder `test` that "
    "`fleet.toml` names, as `excision evaluate` does. A model that was measured on these images stays. To "
    "name other test images, change `fleet.toml` and run `excision fleet train` again: nothing is trained "
    "that has not changed. The exit status is 2 if a model could not be measured.\n\n"
    "```\n"
    "excision fleet evaluate runs/fleet\n"
    "excision fleet evaluate runs/fleet --workers 4 --also parquet\n"
    "```",
)


@app.default
def evaluate(
    fleet: FleetArgument,
    /,
    *,
    options: EngineOptions | None = None,
    device: FleetDeviceOption = "auto",
    also: FleetAlsoOption = None,
) -> int:
    """Measure every model on its test images."""
    from excision.fleet.table import read_plans

    done = work("evaluate", fleet, lambda: read_plans(fleet), options, also, device=device)
    return say_fleet(fleet, done)
