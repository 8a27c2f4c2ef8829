"""What goes wrong outside the pages, such as an unknown address: a page for a browser, JSON for a program."""

from __future__ import annotations

import json

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from excision.station.pages.web import problem, render, wants_part, words_of

_MOST = 2**16  # bytes of an answer that explains an error

_OF_THE_BODY = ("content-type", "content-length", "content-security-policy", "referrer-policy")


class ForBrowsers:
    """ASGI middleware outside the security layer: a browser that would get an error as JSON gets a page.

    A browser is whoever names `text/html` among what it accepts; a program that asks for JSON or for anything
    gets JSON. Errors of the pages themselves are pages already and pass through.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "POST") or not _is_browser(scope):
            await self._app(scope, receive, send)
            return
        begun: Message | None = None
        body = bytearray()

        async def turning(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start" and _is_error_as_json(message):
                begun = message
            elif begun is None:
                await send(message)
            else:
                body.extend(message.get("body", b"")[: _MOST - len(body)])
                if not message.get("more_body"):
                    await _page(scope, begun, bytes(body))(scope, receive, send)

        await self._app(scope, receive, turning)


def _is_browser(scope: Scope) -> bool:
    return "text/html" in Headers(scope=scope).get("accept", "")


def _is_error_as_json(message: Message) -> bool:
    kind = Headers(raw=message["headers"]).get("content-type", "")
    # A wrong or missing key leads to the form that asks for it.
    return message["status"] >= 400 and message["status"] != 401 and kind.startswith("application/json")


def _page(scope: Scope, begun: Message, body: bytes) -> ASGIApp:
    request, status = Request(scope), begun["status"]
    if status in (404, 405) and "endpoint" not in scope and not wants_part(request):
        path = request.url.path
        about = words_of(request)("no_page.about", path=path if len(path) <= 80 else f"{path[:79]}…")
        answer = render(request, "no_page.html.j2", status, sentence=about)
    else:
        answer = problem(request, status, _sentence(body))
    headers = MutableHeaders(raw=answer.raw_headers)
    for name, value in Headers(raw=begun["headers"]).items():
        if name not in _OF_THE_BODY:
            headers.setdefault(name, value)
    headers.add_vary_header("Accept")
    return answer


def _sentence(body: bytes) -> str:
    try:
        content = json.loads(body)
        return str(content["detail"] if isinstance(content, dict) and "detail" in content else content)
    except ValueError:
        return body.decode("utf-8", "replace")
