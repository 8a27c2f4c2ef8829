"""What the service of a station and that of a hub share: their framework, access, and errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import Depends, FastAPI
from starlette.types import ASGIApp

from excision.station.api.access import Access
from excision.station.api.errors import HANDLED, explain
from excision.station.api.metrics import Metrics
from excision.station.api.parameters import only_known
from excision.station.api.security import Security
from excision.station.people.people import People
from excision.station.people.rights import permitted
from excision.version import __version__


def application(
    title: str,
    about: str,
    close: Callable[[], None],
    *,
    key: str | None,
    metrics: Metrics | None,
    open_paths: frozenset[str],
    people: People | None = None,
    inside: Sequence[Callable[[ASGIApp], ASGIApp]] = (),
) -> FastAPI:
    """Give a service without routes, behind its access control, whose errors are explained.

    Args:
        title: of the interface.
        about: what it is for.
        close: called when the server stops.
        key: that requests must show; None asks for none.
        metrics: counts what is refused; None makes one.
        open_paths: paths that need no key.
        people: who may do what; None where whoever may come in may do everything.
        inside: middleware behind the access control, the outermost last.
    """

    @asynccontextmanager
    async def closing(_: FastAPI) -> AsyncIterator[None]:
        yield
        await anyio.to_thread.run_sync(close)

    app = FastAPI(
        title=title,
        version=__version__,
        description=about,
        lifespan=closing,
        dependencies=None if people is None else [Depends(permitted), Depends(only_known)],
        docs_url=None,
        redoc_url=None,
        # No data leaves the station, whatever the environment says.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.metrics = metrics or Metrics()
    app.state.access = Access(key, app.state.metrics, people)
    for layer in inside:
        app.add_middleware(layer)
    app.add_middleware(Security, access=app.state.access, open_paths=open_paths)
    for kind in HANDLED:
        app.add_exception_handler(kind, explain)
    return app
