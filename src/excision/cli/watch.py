"""`excision watch`: a verdict for each image that arrives in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from excision.cli.hub_options import OutboxOptions
from excision.cli.options import AlsoOption, ModelArgument
from excision.cli.output import say, say_notes
from excision.cli.retention_options import RetentionOptions

if TYPE_CHECKING:
    from excision.station.hot_folder.settings import WatchSettings
    from excision.station.outbox.settings import OutboxSettings
    from excision.station.parts.settings import PartsSettings

app = App(
    name="watch",
    help_epilogue="Each image file is inspected once it is complete. Its result is in `results.sqlite` and "
    "its picture in `overlays/` before the file is moved. After any interruption, run the same command "
    "again to continue. Ctrl-C and SIGTERM stop it with status 0.\n\n"
    "```\n"
    "excision watch line/parts incoming/ --out station/\n"
    "excision watch line/parts incoming/ --out station/ --after move --also csv\n"
    "excision watch line/parts incoming/ --out station/ --names '{serial}_{view}' --file station.toml\n"
    "```",
)


@app.default
def watch(
    model: ModelArgument,
    folder: Annotated[Path, Parameter(help="Folder to watch, including its sub-folders.")],
    /,
    *,
    out: Annotated[Path, Parameter(help="Folder to write the results to.")],
    after: Annotated[
        Literal["leave", "move"],
        Parameter(
            help="Leave inspected files, or move them to good, review, defect, unfit or failed in --out."
        ),
    ] = "leave",
    settle: Annotated[
        float, Parameter(help="Seconds for which a file must not change before it is inspected.")
    ] = 1.0,
    stop_after: Annotated[int | None, Parameter(help="Stop after this many results.")] = None,
    idle_exit: Annotated[
        float | None, Parameter(help="Stop after this many seconds without a new image.")
    ] = None,
    order: Annotated[
        Literal["oldest", "newest"] | None,
        Parameter(
            help="Which waiting files come first. By default the oldest, until one has waited longer than "
            "--stale."
        ),
    ] = None,
    stale: Annotated[
        float, Parameter(help="Seconds after which a waiting file makes the newest files come first.")
    ] = 60.0,
    names: Annotated[
        str | None,
        Parameter(
            help="What file names say of the part: a template such as {serial}_{view} or "
            "{lot}/{serial}_{view}.png, with the fields {serial}, {lot}, {recipe} and {view}, and * for "
            "anything; or a regular expression with groups such as (?P<serial>...)."
        ),
    ] = None,
    file: Annotated[
        Path | None,
        Parameter(
            help="File that describes the station: [parts] says which views make a part and which codes are "
            "read, and [station] gives its name."
        ),
    ] = None,
    also: AlsoOption = None,
    retention: RetentionOptions | None = None,
    outbox: OutboxOptions | None = None,
) -> int:
    """Inspect each image that arrives in a folder, until stopped."""
    from excision.cli.retention import keeping, set_access
    from excision.station.hot_folder.settings import WatchSettings

    retention = retention or RetentionOptions()
    hub = (outbox or OutboxOptions()).outbox()
    set_access(out, retention.shared)
    rules = retention.rules()
    tables = tuple(dict.fromkeys(also or ()))
    with keeping(out, rules):
        parts, station = (None, None) if file is None else _tables_of(file)
        if station is None and hub is not None:
            station = hub.station
        settings = WatchSettings(
            after, settle, stop_after, idle_exit, tables, order, stale, names, parts, station
        )
        return follow(model, folder, out, settings, hub)


def _tables_of(path: Path) -> tuple[PartsSettings | None, str | None]:
    """Give how parts are put together, and the name of the station, as its file says."""
    from excision.station.parts.settings import PartsSettings
    from excision.station.station_file.file import read_station_file
    from excision.station.station_file.serving import StationTable

    file = read_station_file(path)
    table = file.one(StationTable)
    unused = [f"[{name}]" for name in file.tables if name not in ("parts", "station")]
    if unused:
        say_notes(
            [f"{path}: a hot folder uses [parts] and the name in [station], but not {', '.join(unused)}"]
        )
    return file.one(PartsSettings), None if table is None else table.name


def follow(
    model: Path, folder: Path, out: Path, settings: WatchSettings, hub: OutboxSettings | None = None
) -> int:
    """Watch a folder until asked to stop, and give the exit status."""
    from excision.cli.watching import WatchLine, counted
    from excision.inspection.fingerprint import fingerprint
    from excision.inspection.loading import load
    from excision.station.hot_folder.settings import Listeners
    from excision.station.hot_folder.watcher import check_folders
    from excision.station.hot_folder.watcher import watch as watch_folder
    from excision.station.outbox.sending import sending
    from excision.station.store.connection import RESULTS
    from excision.system.interrupts import requests_to_stop
    from excision.system.parquet import need_pyarrow

    # Loading a model takes seconds.
    check_folders(folder, out)
    with requests_to_stop() as request, WatchLine() as line, sending(out / RESULTS, hub):
        if "parquet" in settings.also:
            need_pyarrow()
        predictor = load(model)
        identity = model.resolve().name, fingerprint(model)
        listeners = Listeners(
            stop=lambda: request.asked,
            progress=line.show,
            note=line.note,
            ready=lambda: line.note(f"Watching {folder}; stop with Ctrl-C"),
        )
        counts = watch_folder(predictor, identity, folder, out, settings, listeners)
    say(counted(counts))
    say(f"Results: {out / RESULTS}")
    return 0
