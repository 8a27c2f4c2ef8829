"""`excision serve`: a station over HTTP."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from excision.cli.door import Door, DoorOptions, bound
from excision.cli.output import say
from excision.cli.retention_options import RetentionOptions
from excision.cli.station_options import StationOptions
from excision.errors import ExcisionError

if TYPE_CHECKING:
    from excision.station.api.server import Server
    from excision.station.station import Station, StationSettings

app = App(
    name="serve",
    help_epilogue="Send images to `POST /v1/inspect`. The answer has the verdict, the score, boxes and "
    "links to maps, and is sent once the result is on disk in `--data`. The station needs no other machine "
    "and no network. `/openapi.json` describes every route, `/metrics` is for Prometheus, and "
    "`excision.station.client` is a client for Python. SIGTERM and Ctrl-C finish and answer all accepted "
    "requests; SIGHUP loads changed models.\n\n"
    "```\n"
    "excision serve line/parts\n"
    "excision serve front=line/front back=line/back --data station --keep flagged\n"
    "excision serve line/parts --models line --host 0.0.0.0 --api-key-file key.txt\n"
    "```",
)

_OWN_FILES = 128  # descriptors for the database, models, logs and libraries


@app.default
def serve(
    models: Annotated[
        list[str],
        Parameter(
            help="Exported folders or run folders, as FOLDER or NAME=FOLDER; the first is the default model."
        ),
    ],
    /,
    *,
    data: Annotated[Path, Parameter(help="Folder to store results and images in.")] = Path("station"),
    door: DoorOptions | None = None,
    station: StationOptions | None = None,
    keep: Annotated[
        Literal["all", "flagged", "none"],
        Parameter(help='Images to keep: "all", "flagged" (all that are not good) or "none".'),
    ] = "all",
    retention: RetentionOptions | None = None,
) -> int:
    """Inspect images that are sent over HTTP, and store every result."""
    from excision.cli.retention import set_access

    retention = retention or RetentionOptions()
    set_access(data, retention.shared)
    entrance = (door or DoorOptions()).door()
    _serve(entrance, (station or StationOptions()).settings(data, models, keep, retention.rules()))
    return 0


def _serve(door: Door, settings: StationSettings) -> None:
    from excision.station.api.app import create_app
    from excision.station.api.limits import ConnectionLimits, affordable
    from excision.station.api.metrics import Metrics
    from excision.station.api.server import Server
    from excision.station.pages.router import OPEN_PATHS, attach
    from excision.station.station import Station

    metrics = Metrics()
    with bound(door.host, door.port) as listener, closing(Station(settings, metrics)) as station:
        service = create_app(station, key=door.key, metrics=metrics, open_paths=OPEN_PATHS)
        # Of each image that waits or comes in a file may be open, beside the database and the models.
        limits = ConnectionLimits(affordable(door.connections, 3 * settings.queue + _OWN_FILES))
        _listen(Server(attach(service), limits, metrics, door.proxies), station, listener)


def _listen(server: Server, station: Station, listener: socket.socket) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        # While it runs the server has its own handler; this one is for the time before, and for the signal
        # that the server raises again at its end. Neither may kill this process.
        server.should_exit = True

    signal.signal(signal.SIGTERM, stop)
    _on_hangup(station)
    # From here on connections wait until the server accepts them, so the printed address works.
    listener.listen(server.config.backlog)
    host, port = listener.getsockname()[:2]
    say(f"Serving {', '.join(station.models.names)} at http://{f'[{host}]' if ':' in host else host}:{port}")
    say(f"Results: {station.store.path}")
    server.run(sockets=[listener])


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
