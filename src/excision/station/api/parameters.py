"""Parameters in the address of a request: one that nobody knows is refused, never passed over."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

from excision.station.station_file.reading import meant

_INTERFACE = "/v1/"
_SHOWN = 64  # characters of a name that a client made up


async def only_known(request: Request) -> None:
    """Refuse a request to the interface with a parameter that its route lacks; a dependency of every route.

    A mistyped filter or model would otherwise be answered as if nobody had asked for it.

    Raises:
        HTTPException: a parameter is unknown; status 422.
    """
    query = request.scope["query_string"].decode("latin-1")
    if not query or not request.scope["path"].startswith(_INTERFACE):
        return
    known = sorted(field.alias for field in request.scope["route"].dependant.query_params)
    for name, _ in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            raise HTTPException(422, _unknown(name[:_SHOWN], known))


def _unknown(name: str, known: list[str]) -> str:
    if not known:
        return f"there is no parameter {name!a}: this route has none"
    names, nearest = ", ".join(known), meant(name, known)
    if nearest is None:
        return f"there is no parameter {name!a}: known are {names}"
    return f"there is no parameter {name!a}: did you mean {nearest}? Known are {names}"
