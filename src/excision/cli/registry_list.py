"""`excision registry list`: models, versions and stages."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from excision.cli.output import say_table
from excision.cli.registry_add import RegistryArgument

app = App(
    name="list",
    help_epilogue="```\nexcision registry list models/\n"
    "excision registry list s3://plant/models bracket\n```",
)


@app.default
def list_versions(
    registry: RegistryArgument,
    name: Annotated[str | None, Parameter(help="Model; by default all.")] = None,
    /,
) -> None:
    """List models, versions and stages."""
    from excision.registry.registry import Registry

    models, rows = Registry(registry), []
    for each in [name] if name is not None else models.names():
        stages = models.stages(each)
        for version in models.versions(each):
            pointing = [stage for stage, to in stages.items() if to.version == version.number]
            rows.append(
                [each, version.number, ", ".join(pointing) or "-", version.model, version.date, version.notes]
            )
    say_table(models.shown, ("model", "version", "stages", "fingerprint", "date", "notes"), rows)
