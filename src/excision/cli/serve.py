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
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from cyclopts import App, Parameter

from excision.cli.options import KeepDaysOption, KeepGigabytesOption, SharedOption
from excision.cli.output import say
from excision.errors import ExcisionError, SettingsError

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

_LOCAL = ("127.0.0.1", "::1", "localhost")


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
    host: Annotated[
        str, Parameter(help="Address to listen on; any other than this machine requires a key.")
    ] = "127.0.0.1",
    port: Annotated[int, Parameter(help="Port to listen on; 0 chooses a free one.")] = 8000,
    api_key_file: Annotated[
        Path | None,
        Parameter(help="File whose first line is the key that clients must send; or set EXCISION_API_KEY."),
    ] = None,
    models_below: Annotated[
        Path | None,
        Parameter(name="--models", help="Folder whose sub-folders clients may load by name as new versions."),
    ] = None,
    folders: Annotated[
        Path | None,
        Parameter(help="Folder whose sub-folders of labelled images can be used by name to measure a model."),
    ] = None,
    keep: Annotated[
        Literal["all", "flagged", "none"],
        Parameter(help='Images to keep: "all", "flagged" (all that are not good) or "none".'),
    ] = "all",
    keep_days: KeepDaysOption = None,
    keep_gigabytes: KeepGigabytesOption = None,
    shared: SharedOption = False,
    queue: Annotated[
        int, Parameter(help="Number of images that may wait; further requests get status 503.")
    ] = 64,
    workers: Annotated[
        int | None, Parameter(help="Images inspected at once. By default as many as cores.")
    ] = None,
    threads: Annotated[int | None, Parameter(help="Threads per inspection.")] = None,
    max_bytes: Annotated[int, Parameter(help="Largest request in bytes.")] = 64 * 2**20,
    max_pixels: Annotated[int, Parameter(help="Largest image in pixels.")] = 150_000_000,
    connections: Annotated[int, Parameter(help="Connections that may be open at once.")] = 1000,
    behind_proxy: Annotated[
        list[str] | None,
        Parameter(
            help="Address or network of a proxy in front of the service. Its `X-Forwarded-For` and "
            "`X-Forwarded-Proto` are believed: for whom it asks, and whether that was over TLS."
        ),
    ] = None,
) -> int:
    """Inspect images that are sent over HTTP, and store every result."""
    from excision.cli.retention import set_access
    from excision.station.models.registry import named_folders
    from excision.station.station import StationSettings
    from excision.station.work.retention import Rules

    set_access(data, shared)
    door = _door(host, port, connections, api_key_file, behind_proxy or [])
    settings = StationSettings(
        data=data,
        models=named_folders(models),
        models_below=models_below,
        folders=folders,
        keep=keep,
        retention=Rules.read(keep_days or [], keep_gigabytes),
        queue=queue,
        workers=workers,
        threads=threads,
        max_bytes=max_bytes,
        max_pixels=max_pixels,
    )
    _serve(door, settings)
    return 0


class _Door(NamedTuple):
    """Where the service listens, and whom it lets in.

    Attributes:
        host: address.
        port: 0 for a free one.
        connections: that may be open at once.
        key: that clients must show; None asks for none.
        proxies: addresses and networks of proxies that are believed.
    """

    host: str
    port: int
    connections: int
    key: str | None
    proxies: list[str]


def _door(host: str, port: int, connections: int, key_file: Path | None, proxies: list[str]) -> _Door:
    door = _Door(host, port, connections, _key(key_file), _networks(proxies))
    if connections < 1:
        raise SettingsError(f"connections is {connections} and must be at least 1")
    others = "--behind-proxy" if proxies else f"--host {host}" if host not in _LOCAL else ""
    if door.key is None and others:
        raise SettingsError(
            f"{others} admits other machines: give a key with --api-key-file or EXCISION_API_KEY"
        )
    return door


def _serve(door: _Door, settings: StationSettings) -> None:
    from excision.station.api.app import create_app
    from excision.station.api.limits import ConnectionLimits, affordable
    from excision.station.api.metrics import Metrics
    from excision.station.api.server import Server
    from excision.station.pages.router import OPEN_PATHS, attach
    from excision.station.station import Station

    metrics = Metrics()
    with _bound(door.host, door.port) as listener, closing(Station(settings, metrics)) as station:
        service = create_app(station, key=door.key, metrics=metrics, open_paths=OPEN_PATHS)
        # Of each image that waits or comes in a file may be open, beside the database and the models.
        limits = ConnectionLimits(affordable(door.connections, 3 * settings.queue + _OWN_FILES))
        _listen(Server(attach(service), limits, metrics, door.proxies), station, listener)


def _bound(host: str, port: int) -> socket.socket:
    """Bind the address before anything that takes long."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With explicit TCP asyncio sends each answer at once; otherwise its second half may wait 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            # Otherwise the address stays in use for a minute after the previous service.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise SettingsError(f"{host}, port {port}: cannot listen there ({error})") from error
    return listener


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


def _key(path: Path | None) -> str | None:
    from excision.station.api.keys import exposure_of, read_key

    key = read_key(path)
    exposed = None if path is None else exposure_of(path)
    if exposed:
        print(f"excision: {exposed}", file=sys.stderr, flush=True)
    return key


def _networks(proxies: list[str]) -> list[str]:
    import ipaddress

    for proxy in proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError as error:
            raise SettingsError(
                f"--behind-proxy {proxy}: this is no address and no network ({error})"
            ) from error
    return proxies
