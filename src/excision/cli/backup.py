"""`excision backup`: a copy of a station as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from excision.cli.options import JsonOption
from excision.cli.output import say

app = App(
    name="backup",
    help_epilogue="Copies the database as it is at one moment, and the image of each result in it; a station "
    "or a watcher may run meanwhile. The copy is a station's folder itself. Every file is verified against "
    "`SHA256SUMS` before the copy gets its name. Ctrl-C stops it; the same command goes on.\n\n"
    "```\n"
    "excision backup station --to /backup/monday\n"
    "excision backup station --to /backup/tuesday --since /backup/monday\n"
    "```",
)


@app.default
def backup(
    station: Annotated[Path, Parameter(help="Folder of a station, or --out of a watcher.")],
    /,
    *,
    to: Annotated[Path, Parameter(help="New folder for the copy.")],
    since: Annotated[
        Path | None,
        Parameter(help="Earlier backup on the same disk; images that it holds are shared with it."),
    ] = None,
    json_file: JsonOption = None,
) -> int:
    """Copy a station as a whole, while it runs or not, and verify the copy."""
    from dataclasses import asdict

    from excision.progress import Bars
    from excision.station.work.backup import back_up
    from excision.system.access import close_to_others
    from excision.system.files import write_json

    close_to_others(shared=False)
    try:
        with Bars() as bars:
            made = back_up(station, to, bars.stage, since)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped: the same command goes on where it was") from None
    say(f"{made.results} results and {made.images} images of {made.bytes / 1e6:.1f} MB, verified: {to}")
    if made.linked:
        say(f"{made.linked} images are shared with {since}")
    if made.missing:
        say(f"{made.missing} images were not there, such as {made.first_missing[0]}")
    if json_file is not None:
        write_json(json_file, asdict(made))
    return 0
