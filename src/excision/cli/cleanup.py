"""`excision cleanup`: remove images whose time has come."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from excision.cli.options import JsonOption
from excision.cli.output import say
from excision.cli.retention_options import KeepOptions
from excision.errors import ResultsError, SettingsError

app = App(
    name="cleanup",
    help_epilogue="Removes kept images by age, and the oldest while all of them take too much room. Results "
    "stay, and so do images that a person has labelled. A station or a watcher may run meanwhile. Ctrl-C "
    "stops it between two steps; the same command goes on.\n\n"
    "```\n"
    "excision cleanup station --keep-days good=7 defect=365 --dry-run\n"
    "excision cleanup station --keep-gigabytes 200\n"
    "```",
)


@app.default
def cleanup(
    station: Annotated[Path, Parameter(help="Folder of a station, or --out of a watcher.")],
    /,
    *,
    keep: KeepOptions | None = None,
    dry_run: Annotated[bool, Parameter(help="Only say what would be removed.", negative="")] = False,
    json_file: JsonOption = None,
) -> int:
    """Remove kept images by age or size; results and labelled images stay."""
    from contextlib import closing

    from excision.station.store.connection import RESULTS
    from excision.station.store.store import Store
    from excision.station.work.retention import Cleanup
    from excision.system.files import write_json
    from excision.system.interrupts import requests_to_stop

    rules = (keep or KeepOptions()).rules()
    if not rules:
        raise SettingsError("say what to keep, with --keep-days or --keep-gigabytes")
    if not (station / RESULTS).is_file():
        raise ResultsError(f"{station / RESULTS}: there is no such file: name the folder of a station")
    with closing(Store(station / RESULTS)) as store, requests_to_stop() as request:
        work = Cleanup(station, store, rules, dry_run, asked=lambda: request.asked)
        done = work.run()
    verb = "would be removed" if dry_run else "removed"
    say(f"{done.images} images of {done.bytes / 1e6:.1f} MB {verb}; {done.labelled} stay for their labels")
    if json_file is not None:
        figures = {"images": done.images, "bytes": done.bytes, "labelled": done.labelled}
        write_json(json_file, {**figures, "stopped": done.stopped, "dry_run": dry_run})
    if done.stopped:
        say("Stopped: the same command goes on")
        return 130
    return 0
