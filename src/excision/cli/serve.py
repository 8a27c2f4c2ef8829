"""`excision serve`: a station over HTTP."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from excision.cli.output import say
from excision.errors import ExcisionError, SettingsError

if TYPE_CHECKING:
    from excision.station.station import Station

app = App(
    name="serve",
    help_epilogue="Images are sent to `POST /v1/inspect`; verdict, score, boxes and links to maps come back "
    "once the result is on disk in --data. Nothing outside this machine is needed or asked. `/openapi.json` "
    "describes every route, `/metrics` is for Prometheus, `excision.station.client` is a client for "
    "Python. SIGTERM and Ctrl-C finish and answer what is accepted; SIGHUP loads changed models.\n\n"
    "```\n"
    "excision serve line/parts\n"
    "excision serve front=line/front back=line/back --data station --keep flagged\n"
    "excision serve line/parts --models line --host 0.0.0.0 --api-key-file key.txt\n"
    "```",
)

_LOCAL = ("127.0.0.1", "::1", "localhost")


@app.default
def serve(
    models: Annotated[
        list[str],
        Parameter(
            help="Exported folders or run folders, as FOLDER or NAME=FOLDER; the first is the default."
        ),
    ],
    /,
    *,
    data: Annotated[Path, Parameter(help="Folder for results and images.")] = Path("station"),
    host: Annotated[
        str, Parameter(help="Address to listen at; any but this machine needs a key.")
    ] = "127.0.0.1",
    port: Annotated[int, Parameter(help="Port to listen at; 0 takes a free one.")] = 8000,
    api_key_file: Annotated[
        Path | None,
        Parameter(help="File whose first line is the key that clients must show; or set EXCISION_API_KEY."),
    ] = None,
    models_below: Annotated[
        Path | None,
        Parameter(
            name="--models", help="Folder whose sub-folders clients may load as new versions, by name."
        ),
    ] = None,
    folders: Annotated[
        Path | None,
        Parameter(help="Folder whose sub-folders of labelled images a model may be measured on, by name."),
    ] = None,
    keep: Annotated[
        Literal["all", "flagged", "none"],
        Parameter(help='Images to keep: "all", "flagged" (those not good) or "none".'),
    ] = "all",
    queue: Annotated[int, Parameter(help="Images that may wait; more are answered with 503.")] = 64,
    workers: Annotated[int | None, Parameter(help="Images inspected at once; as many as cores.")] = None,
    threads: Annotated[int | None, Parameter(help="Threads of one inspection.")] = None,
    max_bytes: Annotated[int, Parameter(help="Largest request in bytes.")] = 64 * 2**20,
    max_pixels: Annotated[int, Parameter(help="Largest image in pixels.")] = 150_000_000,
) -> int:
    """Inspect what is sent over HTTP, and keep every result."""
    key = _key(api_key_file)
    if key is None and host not in _LOCAL:
        raise SettingsError(
            f"--host {host} lets other machines in: give a key with --api-key-file or EXCISION_API_KEY"
        )
    from excision.station.api.app import create_app
    from excision.station.api.metrics import Metrics
    from excision.station.models.registry import named_folders
    from excision.station.pages.router import OPEN_PATHS, attach
    from excision.station.station import Station, StationSettings

    settings = StationSettings(
        data=data,
        models=named_folders(models),
        models_below=models_below,
        folders=folders,
        keep=keep,
        queue=queue,
        workers=workers,
        threads=threads,
        max_bytes=max_bytes,
        max_pixels=max_pixels,
    )
    metrics = Metrics()
    with _bound(host, port) as listener, closing(Station(settings, metrics)) as station:
        service = create_app(station, key=key, metrics=metrics, open_paths=OPEN_PATHS)
        _listen(attach(service, key), station, listener)
    return 0


def _bound(host: str, port: int) -> socket.socket:
    """Take the address before anything that lasts."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With TCP by name asyncio sends each answer at once; else its second half may wait 40 ms for the first.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            # Or the address would stay taken for a minute after the service before.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise SettingsError(f"{host}, port {port}: cannot be listened at ({error})") from error
    return listener


def _listen(application: Any, station: Station, listener: socket.socket) -> None:
    import uvicorn

    config = uvicorn.Config(
        application,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=60,
        timeout_keep_alive=30,
    )
    server = uvicorn.Server(config)

    def stop(_number: int, _frame: FrameType | None) -> None:
        # The server has its own way while it runs; this is for the moment before, and for the signal that it
        # raises once more at its end, neither of which may kill this process.
        server.should_exit = True

    signal.signal(signal.SIGTERM, stop)
    _on_hangup(station)
    # From here on connections wait until the server takes them: what is printed holds.
    listener.listen(config.backlog)
    host, port = listener.getsockname()[:2]
    say(f"Serving {', '.join(station.models.names)} at http://{f'[{host}]' if ':' in host else host}:{port}")
    say(f"Results: {station.store.path}")
    server.run(sockets=[listener])


def _on_hangup(station: Station) -> None:
    def reload() -> None:
        for name in station.models.names:
            try:
                place = station.models.reload(name, who="SIGHUP")
                say(f"{name}: version {place.current.version}")
            except ExcisionError as error:
                print(f"excision: {name} stays as it is: {error}", file=sys.stderr, flush=True)

    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda _number, _frame: threading.Thread(target=reload).start())


def _key(path: Path | None) -> str | None:
    if path is None:
        return os.environ.get("EXCISION_API_KEY") or None
    lines = path.read_text("utf-8").splitlines()
    if not lines or not lines[0].strip():
        raise SettingsError(f"{path}: its first line must be the key")
    return lines[0].strip()
