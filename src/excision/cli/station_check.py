"""`excision station check`: a station's file against the world."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from excision.cli.output import say, say_table
from excision.cli.output_files import JSON_FILE

app = App(
    name="check",
    help_epilogue="An unknown table or key is named with the nearest right one. Then each counterpart is "
    "asked: is the broker there, the camera, the folder of the model whole? The status is 1 if anything is "
    "wrong.\n\n"
    "```\n"
    "excision station check station.toml\n"
    "excision station check station.toml --json check.json\n"
    "```",
)


@app.default
def check(
    file: Annotated[Path, Parameter(help="File that describes the station.")],
    /,
    *,
    json: Annotated[
        Path | None, Parameter(help="Also write what was found to this file, as JSON."), JSON_FILE
    ] = None,
) -> int:
    """Read the file, and ask each camera, broker, PLC and model that it names."""
    from excision.station.station_file.checking import check_station
    from excision.system.files import write_json

    findings = list(check_station(file))
    rows = [(f"[{one.table}]", "ok" if one.ok else "wrong", one.message) for one in findings]
    if rows:
        say_table(str(file), ("table", "state", "what was found"), rows)
    wrong = sum(not one.ok for one in findings)
    say(f"{wrong} of {len(findings)} wrong" if wrong else f"{len(findings)} checked, nothing wrong")
    if json is not None:
        write_json(json, {"file": str(file), "ok": not wrong, "findings": [asdict(one) for one in findings]})
    return 1 if wrong else 0
