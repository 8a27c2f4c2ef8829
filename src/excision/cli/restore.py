"""`excision restore`: a station from a backup."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from excision.cli.output import say

app = App(
    name="restore",
    help_epilogue="Copies a backup and compares every file with its sum. Then start the station on the copy, "
    "as with `excision serve line/parts --data station`. Ctrl-C stops it; the same command goes on.\n\n"
    "```\n"
    "excision restore /backup/monday --to station\n"
    "```",
)


@app.default
def restore(
    backup: Annotated[Path, Parameter(help="Folder that `excision backup` wrote.")],
    /,
    *,
    to: Annotated[Path, Parameter(help="New folder for the station.")],
) -> int:
    """Make a station from a backup, and verify every file of it."""
    from excision.progress import Bars
    from excision.station.work.backup import restore as copy_back
    from excision.system.access import close_to_others

    close_to_others(shared=False)
    try:
        with Bars() as bars:
            files = copy_back(backup, to, bars.stage)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped: the same command goes on where it was") from None
    say(f"{files} files, verified: {to}")
    return 0
