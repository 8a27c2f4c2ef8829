"""`excision registry get`: a version on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from excision.cli.output import say

app = App(
    name="get",
    help_epilogue="Every file is compared with its hash.\n\n"
    "```\n"
    "excision registry get models/bracket@production --out line/bracket\n"
    "excision registry get s3://plant/models/bracket@0002 --out line/bracket\n"
    "```",
)


@app.default
def get(
    address: Annotated[str, Parameter(help="REGISTRY/NAME@STAGE, @latest, or @NUMBER.")],
    /,
    *,
    out: Annotated[Path, Parameter(help="Folder to write.")],
) -> None:
    """Copy a version to this machine, and check it."""
    from excision.registry.address import Address
    from excision.registry.registry import Registry

    wanted = Address.parse(address)
    models = Registry(wanted.registry)
    version = models.find(wanted.name, wanted.which)
    models.get(version, out)
    say(f"{models.shown}/{wanted.name}@{version.number}, model {version.model}: {out}")
