"""`excision fleet export`: every model of a fleet for the line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from excision.cli.fleet_options import (
    EngineOptions,
    FleetAlsoOption,
    FleetArgument,
    say_fleet,
    work,
)
from excision.cli.options import AllowDriftOption
from excision.cli.output import say
from excision.errors import SettingsError
from excision.runtime.backend import BackendName, Precision

app = App(
    name="export",
    help_epilogue="Each model is exported and verified as `excision export` does, into a folder of its own "
    "below `--out`. A folder that holds the export of this model stays. The exit status is 2 if a model "
    "could not be exported.\n\n"
    "```\n"
    "excision fleet export runs/fleet --out line/\n"
    "excision fleet export runs/fleet --out line/ --to openvino --precision bf16\n"
    "excision fleet export runs/fleet --out line/ --registry s3://plant/models --stage test\n"
    "```",
)


@app.default
def export(
    fleet: FleetArgument,
    /,
    *,
    out: Annotated[Path, Parameter(help="Folder to write, with an exported folder for each model.")],
    to: Annotated[BackendName, Parameter(help="Backend that runs the models on the line.")] = "onnx",
    precision: Annotated[
        Precision,
        Parameter(help="Precision of the networks: bf16 with OpenVINO only, int8 with either backend."),
    ] = "fp32",
    allow_drift: AllowDriftOption = None,
    registry: Annotated[
        str | None,
        Parameter(
            help="Registry, or its URL, to which each model is added unless its last version is the same."
        ),
    ] = None,
    stage: Annotated[
        str | None, Parameter(help="Stage of the registry that is to point to these versions.")
    ] = None,
    options: EngineOptions | None = None,
    also: FleetAlsoOption = None,
) -> int:
    """Export every model for the line."""
    from excision.fleet.table import read_plans

    if stage is not None and registry is None:
        raise SettingsError("--stage is one of a registry: give --registry")
    chosen = {"out": f"{out.absolute()}/", "to": to, "precision": precision, "allow_drift": allow_drift}
    done = work("export", fleet, lambda: read_plans(fleet), options, also, **chosen)
    if registry is not None:
        exported = [model.name for model in done.models if model.name not in done.failures]
        _publish(out, exported, registry, stage)
    return say_fleet(fleet, done)


def _publish(out: Path, names: Sequence[str], place: str, stage: str | None) -> None:
    from excision.registry.registry import Registry

    models = Registry(place)
    for name in names:
        version = models.add_if_new(out / name, name)
        if stage is not None:
            models.set_stage(name, stage, version.number)
        say(f"{models.shown}/{name}@{version.number}")
