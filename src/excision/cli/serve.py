"""`excision serve`: a station over HTTP."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from excision.cli.door import Door, DoorOptions, bound
from excision.cli.from_file import fill
from excision.cli.hub_options import HubOptions, OutboxOptions
from excision.cli.listening import listen
from excision.cli.output import say
from excision.cli.retention_options import RetentionOptions
from excision.cli.station_options import StationOptions
from excision.errors import ExcisionError

if TYPE_CHECKING:
    from excision.station.station import Station, StationSettings

app = App(
    name="serve",
    config=fill,
    help_epilogue="Send images to `POST /v1/inspect`. The answer has the verdict, the score, boxes and "
    "links to maps, and is sent once the result is on disk in `--data`. The station needs no other machine "
    "and no network. `/openapi.json` describes every route, `/metrics` is for Prometheus, and "
    "`excision.station.client` is a client for Python. SIGTERM and Ctrl-C finish and answer all accepted "
    "requests; SIGHUP loads changed models.\n\n"
    "```\n"
    "excision serve line/parts\n"
    "excision serve --file station.toml\n"
    "excision serve front=line/front back=line/back --data station --keep flagged\n"
    "excision serve line/parts --models line --host 0.0.0.0 --api-key-file key.txt\n"
    "excision serve line/parts --hub-url https://hub.example --hub-key-file hub_key.txt --station front\n"
    "excision serve --hub --database postgresql:///excision --api-key-file key.txt\n"
    "```",
)

_OWN_FILES = 128  # descriptors for the database, models, logs and libraries


@app.default
def serve(
    models: Annotated[
        list[str] | None,
        Parameter(
            help="Exported folders or run folders, or addresses in a registry, as FOLDER or NAME=FOLDER; the "
            "first is the default model."
        ),
    ] = None,
    /,
    *,
    file: Annotated[
        Path | None,
        Parameter(
            help="File that describes the station, such as station.toml: models, signals, cameras, and every "
            "option of this verb; options given beside it take precedence."
        ),
    ] = None,
    data: Annotated[Path, Parameter(help="Folder to store results and images in.")] = Path("station"),
    door: DoorOptions | None = None,
    station: StationOptions | None = None,
    keep: Annotated[
        Literal["all", "flagged", "none"],
        Parameter(help='Images to keep: "all", "flagged" (all that are not good) or "none".'),
    ] = "all",
    retention: RetentionOptions | None = None,
    outbox: OutboxOptions | None = None,
    hub: HubOptions | None = None,
) -> int:
    """Inspect images that are sent over HTTP, and store every result."""
    from excision.cli.retention import set_access
    from excision.station.station_file.file import StationFile, read_station_file
    from excision.station.station_file.serving import name_in

    door, hub, outbox = door or DoorOptions(), hub or HubOptions(), outbox or OutboxOptions()
    if hub.hub:
        from excision.cli.hub import serve_hub

        hub.check(bool(models), outbox)
        serve_hub(door.door(), hub)
        return 0
    hub.check_unused()
    retention = retention or RetentionOptions()
    set_access(data, retention.shared)
    entrance = door.door()
    settings = (station or StationOptions()).settings(data, models or [], keep, retention.rules())
    described = StationFile() if file is None else read_station_file(file)
    _serve(entrance, replace(settings, outbox=outbox.outbox(), file=described, name=name_in(described)))
    return 0


def _serve(door: Door, settings: StationSettings) -> None:
    from excision.station.api.app import create_app
    from excision.station.api.limits import ConnectionLimits, affordable
    from excision.station.api.metrics import Metrics
    from excision.station.api.server import Server
    from excision.station.line.opening import open_line
    from excision.station.pages.router import OPEN_PATHS, attach
    from excision.station.station import Station

    metrics = Metrics()
    with (
        bound(door.host, door.port) as listener,
        closing(Station(settings, metrics)) as station,
        closing(open_line(station)) as line,
    ):
        service = create_app(station, key=door.key, metrics=metrics, open_paths=OPEN_PATHS, line=line)
        # Of each image that waits or comes in a file may be open, beside the database and the models.
        limits = ConnectionLimits(affordable(door.connections, 3 * settings.queue + _OWN_FILES))
        server = Server(attach(service), limits, metrics, door.proxies)
        _on_hangup(station)
        line.start()
        listen(
            server,
            listener,
            ", ".join(station.models.names) or "no model yet",
            f"Results: {station.store.path}",
        )


def _on_hangup(station: Station) -> None:
    def reload() -> None:
        for name in station.models.names:
            try:
                slot = station.models.reload(name, who="SIGHUP")
                say(f"{name}: version {slot.current.version}")
            except ExcisionError as error:
                print(f"excision: {name} is unchanged: {error}", file=sys.stderr, flush=True)

    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda _number, _frame: threading.Thread(target=reload).start())
