"""`excision registry add`: a model as a new version."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from excision.cli.options import ModelArgument
from excision.cli.output import say
from excision.cli.places import name_of

RegistryArgument = Annotated[str, Parameter(help="Folder of the registry, or its URL.")]

app = App(
    name="add",
    help_epilogue="The version appears when all of its files are there, and never changes.\n\n"
    "```\n"
    "excision registry add line/bracket models/\n"
    "excision registry add line/bracket s3://plant/models --stage production --notes 'new lamp'\n"
    "```",
)


@app.default
def add(
    model: ModelArgument,
    registry: RegistryArgument,
    /,
    *,
    name: Annotated[str | None, Parameter(help="Name of the model. By default that of the folder.")] = None,
    stage: Annotated[str | None, Parameter(help="Stage that is to point to this version.")] = None,
    notes: Annotated[str, Parameter(help="Words that are kept with the version.")] = "",
) -> None:
    """Add a model as a new version."""
    from excision.registry.registry import Registry

    models = Registry(registry)
    version = models.add(model, name or name_of(model), notes)
    say(f"Added: {models.shown}/{version.name}@{version.number}, model {version.model}")
    if stage is not None:
        models.set_stage(version.name, stage, version.number)
        say(f"{models.shown}/{version.name}@{stage} is now {version.number}")
