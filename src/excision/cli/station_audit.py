"""`excision station audit`: whether the audit trail is whole, and its export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from excision.cli.options import JsonOption
from excision.cli.output import say
from excision.cli.output_files import AUDIT_FILE

app = App(
    name="audit",
    help_epilogue="Every change at a station is an event in its audit trail: labels, thresholds, models, "
    "users, alarms, settings. Each event holds a SHA-256 over itself and the event before. `verify` names "
    "the first event that was changed or removed, and exits with 1. Keep the last hash elsewhere: as "
    "`--anchor` it also proves that nothing was cut off the end or written anew.\n\n"
    "```\n"
    "excision station audit verify station\n"
    "excision station audit export station --out trail.csv\n"
    "excision station audit verify station --anchor 5f0c…\n"
    "```",
)

StationArgument = Annotated[Path, Parameter(help="Folder of a station.")]

_BROKEN = 1


@app.command
def verify(
    station: StationArgument,
    /,
    *,
    anchor: Annotated[str | None, Parameter(help="Hash that was printed earlier and kept elsewhere.")] = None,
    json_file: JsonOption = None,
) -> int:
    """Check that no event was changed or removed."""
    from dataclasses import asdict

    from excision.station.store.connection import RESULTS
    from excision.station.store.trail_check import verify as check
    from excision.system.files import write_json

    found = check(station / RESULTS, None if anchor is None else anchor.strip().lower())
    if json_file is not None:
        write_json(json_file, asdict(found))
    if found.fault is not None:
        say(f"The audit trail is not whole: {found.fault}; the {found.events} events up to there are")
        return _BROKEN
    say(f"{found.events} events, each as it was written; the last hash is {found.last}")
    return 0


@app.command
def export(
    station: StationArgument,
    /,
    *,
    out: Annotated[Path, Parameter(help="File to write."), AUDIT_FILE],
    form: Annotated[
        Literal["csv", "jsonl"], Parameter(name="--format", help='"csv", or "jsonl" for JSON lines.')
    ] = "csv",
) -> None:
    """Write the whole trail to a file, and print its last hash."""
    from excision.station.store.connection import RESULTS
    from excision.station.store.trail_check import export as write

    found = write(station / RESULTS, out, form)
    say(f"{found.events} events in {out}; the last hash is {found.last}")
