"""`excision registry stage`: which version is in use."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from excision.cli.output import say
from excision.cli.registry_add import RegistryArgument

app = App(
    name="stage",
    help_epilogue="Whoever opens the address from then on gets that version. A station that runs keeps its "
    "own until it is started again.\n\n"
    "```\n"
    "excision registry stage models/ bracket production\n"
    "excision registry stage models/ bracket production --version 0002\n"
    "excision registry stage models/ bracket production --back\n"
    "```",
)


@app.default
def stage(
    registry: RegistryArgument,
    name: Annotated[str, Parameter(help="Model.")],
    stage: Annotated[str, Parameter(help="Stage, such as production.")],
    /,
    *,
    version: Annotated[
        str | None, Parameter(help="Number of the version, or another stage. By default the latest.")
    ] = None,
    back: Annotated[
        bool, Parameter(help="Return to the version that the stage pointed to before.", negative="")
    ] = False,
) -> None:
    """Let a stage point to a version, or roll it back."""
    from excision.errors import SettingsError
    from excision.registry.address import LATEST
    from excision.registry.registry import Registry

    if back and version is not None:
        raise SettingsError("give --version or --back, not both")
    models = Registry(registry)
    now = models.roll_back(name, stage) if back else models.set_stage(name, stage, version or LATEST)
    say(f"{models.shown}/{name}@{stage} is now {now.version}")
