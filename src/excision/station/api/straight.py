"""The short way of a plain request for an inspection: past the framework, to the same answer."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from excision.station.api.errors import HANDLED, explain
from excision.station.api.inspect import LONGEST, PATH, inspect
from excision.station.people.rights import check_role

_SOURCE = b"x-source"


class Straight:
    """ASGI middleware inside the security layer, which spares what the framework does with every request.

    Finding the route and looking at every parameter takes as long as all the rest that is done for an image
    in the loop that speaks HTTP, of which Python does one at a time. A request with anything unusual goes on
    to the framework, and is answered by it.

    Args:
        app: the framework with its routes.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "POST":
            said = _plain(scope)
            if said is not None:
                await _inspect(said, scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _inspect(said: dict[str, str], scope: Scope, receive: Receive, send: Send) -> None:
    scope["endpoint"] = inspect
    request = Request(scope, receive, send)
    try:
        # What every route depends on and the framework would call; all parameters are known here.
        check_role(request, PATH)
        answer = await inspect(request, **said)
    except HANDLED as error:
        answer = await explain(request, error)
    await answer(scope, receive, send)


def _plain(scope: Scope) -> dict[str, str] | None:
    """Give the parameters of a request if each is known, there once, not empty and not too long."""
    query = scope["query_string"].decode("latin-1")
    given = parse_qsl(query, keep_blank_values=True) if query else []
    said = dict(given)
    if len(said) < len(given) or not all(0 < len(said[name]) <= LONGEST.get(name, 0) for name in said):
        return None
    sources = [value.decode("latin-1") for name, value in scope["headers"] if name == _SOURCE]
    if len(sources) > 1 or not all(0 < len(source) <= LONGEST["source"] for source in sources):
        return None
    return {**said, "x_source": sources[0]} if sources else said
