"""`excision serve --hub`: the results of many stations, over HTTP."""

from __future__ import annotations

import logging
from contextlib import closing

from excision.cli.door import Door, bound
from excision.cli.hub_options import HubOptions
from excision.cli.keys import key_of
from excision.cli.listening import listen

_OWN_FILES = 64  # descriptors for the connections to the database, logs and libraries


def serve_hub(door: Door, options: HubOptions) -> None:
    """Be a hub until a signal ends it.

    Raises:
        SettingsError: the database cannot be reached, or a key or psycopg is missing.
    """
    from excision.station.api.hub import create_hub
    from excision.station.api.limits import ConnectionLimits, affordable
    from excision.station.api.metrics import Metrics
    from excision.station.api.server import Server, Sparse
    from excision.station.hub.hub import Hub
    from excision.station.pages.router import OPEN_PATHS, attach_hub

    station_key = None if options.station_key_file is None else key_of(options.station_key_file, None)
    metrics = Metrics()
    # It says so at every attempt while the database is away, which may take days.
    logging.getLogger("psycopg.pool").addFilter(Sparse())
    with bound(door.host, door.port) as listener, closing(Hub(options.address())) as hub:
        service = create_hub(
            hub, key=door.key, station_key=station_key, metrics=metrics, open_paths=OPEN_PATHS
        )
        limits = ConnectionLimits(affordable(door.connections, _OWN_FILES))
        server = Server(attach_hub(service), limits, metrics, door.proxies)
        listen(server, listener, "a hub", "Results: PostgreSQL")
