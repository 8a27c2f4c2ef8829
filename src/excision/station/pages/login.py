"""Signing in: the station's key in a cookie that no script can read and no other site can send."""

from __future__ import annotations

import hmac
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from excision.station.api.security import COOKIE
from excision.station.pages.web import PageRoute, render, small_form, words_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)

LOGIN = "/login"

_DAYS = 30


@router.get(LOGIN)
async def ask(request: Request, to: str = "/") -> Response:
    """Ask for the key."""
    return render(request, "login.html.j2", to=_inside(to), wrong=None)


@router.post(LOGIN)
async def sign_in(request: Request) -> Response:
    """Compare the key, and keep it in a cookie."""
    form = await small_form(request)
    key: str | None = request.app.state.pages_key
    to, shown = _inside(form.get("to", "/")), form.get("key", "").strip()
    if key is not None and not hmac.compare_digest(shown.encode(), key.encode()):
        return render(request, "login.html.j2", 403, to=to, wrong=words_of(request)("login.wrong"))
    answer = RedirectResponse(to, 303)
    if key is not None:
        answer.set_cookie(
            COOKIE,
            key,
            max_age=_DAYS * 86400,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
    return answer


@router.post("/logout")
async def sign_out(_request: Request) -> Response:
    """Forget the key in this browser."""
    answer = RedirectResponse(LOGIN, 303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


class ToLogin:
    """ASGI middleware outside the security layer: sends a browser without a key to the login page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or not _is_page(scope):
            await self._app(scope, receive, send)
            return
        turned = False

        async def turning(message: Message) -> None:
            nonlocal turned
            if message["type"] == "http.response.start" and message["status"] == 401:
                turned = True
                await RedirectResponse(_address(scope), 303)(scope, receive, send)
            if not turned:
                await send(message)

        await self._app(scope, receive, turning)


def _is_page(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    whole = headers.get("hx-request") != "true"
    return scope["method"] == "GET" and whole and "text/html" in headers.get("accept", "")


def _address(scope: Scope) -> str:
    query = scope["query_string"].decode("latin-1")
    return f"{LOGIN}?to={quote(scope['path'] + ('?' + query if query else ''))}"


def _inside(address: str) -> str:
    """Give an address back if it lies on this station, else the first page."""
    parts = urlsplit(address.replace("\\", "/"))
    inside = not parts.scheme and not parts.netloc and parts.path.startswith("/")
    return address if inside and not parts.path.startswith("//") else "/"
