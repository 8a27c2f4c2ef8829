"""Access control: the API key, and requests that another site makes a browser send."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from excision.station.api.access import Access, Refused
from excision.station.people.roles import Person

OPEN = frozenset({"/healthz", "/readyz"})
"""Paths that need no key."""

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

_IMAGES = "/v1/inspect"
_MOST = 2**20  # bytes of any other request to the interface, which is read into memory as a whole

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
"""Of every response that does not set them itself."""

_RAW = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in HEADERS.items()]


class Security:
    """ASGI middleware that checks every request and sets the security headers of every response.

    Headers that the application sets itself stay as they are.

    Args:
        app: the application it protects.
        access: says who may come in. Where it asks for no key, only requests under this machine's own names
            are accepted, so that no page in a browser can reach it under another name.
        open_paths: paths that need no key.
    """

    def __init__(self, app: ASGIApp, access: Access, open_paths: frozenset[str] = OPEN) -> None:
        self._app = app
        self._access = access
        self._open = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                own = {name.lower() for name, _ in headers}
                message["headers"] = headers + [pair for pair in _RAW if pair[0] not in own]
            await send(message)

        await self._access.refresh()
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, _counted(receive) if _is_small(scope) else receive, with_headers)
        else:
            await _refuse(with_headers, *refusal)

    def _refusal(self, scope: Scope) -> tuple[int, str, int] | tuple[int, str] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._access.is_open and _host_name(host) not in _LOCAL:
            return 403, "without a key this station answers under the names of its own machine alone"
        origin = headers.get("origin")
        if origin is not None and scope["method"] not in _SAFE and not _is_same(origin, host, scope):
            return 403, "a page of another site may not change anything here"
        declared = headers.get("content-length", "")
        if _is_small(scope) and declared.isdigit() and int(declared) > _MOST:
            return 413, f"a request that holds no image may have {_MOST} bytes at most"
        if scope["path"] in self._open:
            self._remember(scope, self._access.signed_in(headers))
            return None
        return self._unknown(scope, headers)

    def _unknown(self, scope: Scope, headers: Headers) -> tuple[int, str, int] | None:
        wait = 0
        try:
            person = self._access.person(headers, address_of(scope))
            if person is not None:
                self._remember(scope, person)
                return None
        except Refused as refused:
            wait = refused.wait
        if wait:
            return 429, f"too many wrong keys: try again in {wait} seconds", wait
        if self._access.has_users:
            return (
                401,
                "sign in as a user, or show the station's key as X-API-Key or Authorization: Bearer",
                0,
            )
        return 401, "this needs the station's key, as X-API-Key or Authorization: Bearer", 0

    @staticmethod
    def _remember(scope: Scope, person: Person | None) -> None:
        if person is not None:
            scope.setdefault("state", {})["person"] = person


def address_of(scope: Scope) -> str:
    """Give the address of a client; behind a proxy that is believed, the one that it names."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _is_small(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.startswith("/v1/") and path != _IMAGES


def _counted(receive: Receive) -> Receive:
    """Give the body of a request as long as it is small; beyond that, as if its sender had left."""
    total = 0

    async def counting() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        return message if total <= _MOST else {"type": "http.disconnect"}

    return counting


def _is_same(origin: str, host: str, scope: Scope) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    # A page that came without TLS may be anybody's; a proxy that does not tell leaves the scheme open.
    return parts.netloc == host and (scope["scheme"] != "https" or parts.scheme == "https")


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


async def _refuse(send: Send, status: int, detail: str, wait: int = 0) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if wait:
        headers.append((b"retry-after", str(wait).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
