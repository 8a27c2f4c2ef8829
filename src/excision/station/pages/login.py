"""Signing in: the key opens a session, whose cookie no script can read and no other site can send."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from excision.station.api.access import COOKIE, Access, Refused, session_of
from excision.station.api.security import address_of
from excision.station.pages.web import PageRoute, render, small_form, words_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)

LOGIN = "/login"

_OLD_COOKIE = "excision_key"  # of earlier releases: it held the key itself

_LONGEST_TARGET = 4000
_INSIDE = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f-\x9f\u2028\u2029]*")


@router.get(LOGIN)
async def ask(request: Request, to: str = "/") -> Response:
    """Ask for the key."""
    return render(request, "login.html.j2", to=_inside(to), wrong=None)


@router.post(LOGIN)
async def sign_in(request: Request) -> Response:
    """Compare the key, and begin a session."""
    form, access = await small_form(request), _access(request)
    to, shown = _inside(form.get("to", "/")), form.get("key", "")
    try:
        access.prove([shown.encode()], address_of(request.scope), "login")
    except Refused as refused:
        return _refuse(request, to, refused.wait)
    answer = RedirectResponse(to, 303)
    if not access.is_open:
        access.sessions.end(session_of(request.headers))
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, access.sessions.begin(), httponly=True, samesite="strict", secure=secure)
        answer.delete_cookie(_OLD_COOKIE, httponly=True, samesite="strict")
    return answer


def _refuse(request: Request, to: str, wait: int) -> Response:
    t = words_of(request)
    if not wait:
        return render(request, "login.html.j2", 403, to=to, wrong=t("login.wrong"))
    answer = render(request, "login.html.j2", 429, to=to, wrong=t("login.wait", n=wait))
    answer.headers["Retry-After"] = str(wait)
    return answer


@router.post("/logout")
async def sign_out(request: Request) -> Response:
    """End the session of this browser."""
    _access(request).sessions.end(session_of(request.headers))
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
    """Give an address back if it lies on this station, otherwise that of the first page."""
    read = address
    for _ in range(4):
        # A proxy may decode an address before it passes it on: no reading of it may lead away.
        if len(read) > _LONGEST_TARGET or not _INSIDE.fullmatch(read.partition("?")[0]):
            return "/"
        further = unquote(read)
        if further == read:
            break
        read = further
    else:
        return "/"
    return address if _INSIDE.fullmatch(address) else "/"


def _access(request: Request) -> Access:
    access: Access = request.app.state.access
    return access
