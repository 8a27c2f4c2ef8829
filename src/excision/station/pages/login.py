"""Signing in: a password or the key opens a session, whose cookie no script reads and no other site sends."""

from __future__ import annotations

import logging
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from excision.station.api.access import COOKIE, Access, Refused, session_of
from excision.station.api.security import address_of
from excision.station.api.sessions import LONGEST
from excision.station.api.writing import writing_of
from excision.station.pages.inside import inside
from excision.station.pages.web import PageRoute, render, small_form, words_of
from excision.station.people.people import People, WaitError, person_from
from excision.station.people.roles import Person, person_of
from excision.station.people.users import LONGEST_NAME, SIGNED_IN, SIGNED_OUT

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_LOG = logging.getLogger(__name__)

LOGIN = "/login"

_OLD_COOKIE = "excision_key"  # of earlier releases: it held the key itself


@router.get(LOGIN)
async def ask(request: Request, to: str = "/", out: str = "") -> Response:
    """Ask for a name and a password, or for the key where no users are set up."""
    return asked(request, 200, inside(to), signed_out=bool(out))


@router.post(LOGIN)
async def sign_in(request: Request) -> Response:
    """Compare the key or the password, and begin a session."""
    form, access = await small_form(request), _access(request)
    to, address = inside(form.get("to", "/")), address_of(request.scope)
    if access.people is not None and access.has_users:
        return await _sign_in_user(request, access.people, form, to)
    try:
        access.prove([form.get("key", "").encode()], address, "login")
    except Refused as refused:
        return _refuse(request, to, refused.wait)
    answer = RedirectResponse(to, 303)
    if not access.is_open:
        begin_session(request, answer)
    return answer


async def _sign_in_user(request: Request, people: People, form: dict[str, str], to: str) -> Response:
    name, password, address = form.get("name", ""), form.get("password", ""), address_of(request.scope)
    try:
        user = await writing_of(request).do(people.sign_in, name, password, address)
    except WaitError as wait:
        return _refuse(request, to, wait.seconds, name)
    if user is None:
        # Nothing that was typed is logged: people type passwords into the wrong field.
        _LOG.warning("a sign-in from %s was refused", address)
        request.app.state.metrics.wrong_key("login")
        return _refuse(request, to, 0, name)
    answer = RedirectResponse(to, 303)
    begin_session(request, answer, person_from(user), user.generation)
    await writing_of(request).do(people.note, SIGNED_IN, user.name)
    return answer


def begin_session(
    request: Request,
    answer: Response,
    person: Person | None = None,
    generation: int = 0,
    longest: float = LONGEST,
) -> None:
    """Begin a session in place of the one that a request shows, and let the browser keep it."""
    access, secure = _access(request), request.url.scheme == "https"
    access.sessions.end(session_of(request.headers))
    token = access.sessions.begin(person, generation, longest)
    answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=secure)
    answer.delete_cookie(_OLD_COOKIE, httponly=True, samesite="strict")


def asked(
    request: Request,
    status: int,
    to: str,
    wrong: str | None = None,
    name: str = "",
    *,
    outside: str | None = None,
    signed_out: bool = False,
) -> Response:
    """Ask for whatever opens the station.

    Args:
        request: that is answered.
        status: of HTTP.
        to: page to go to afterwards.
        wrong: what was wrong with the password or key.
        name: that was given.
        outside: why the provider signed nobody in.
        signed_out: whether somebody has just signed out whom the provider signed in.
    """
    people = _access(request).people
    provider = None if people is None else people.outside
    values = {"to": to, "wrong": wrong, "name": name[:LONGEST_NAME], "users": _access(request).has_users}
    return render(
        request,
        "login.html.j2",
        status,
        **values,
        outside=outside,
        provider=provider,
        passwords=people is None or provider is None or people.has_own,
        way_out=provider.way_out if provider is not None and signed_out else "",
    )


def _refuse(request: Request, to: str, wait: int, name: str | None = None) -> Response:
    """Ask again: for the key, or for the password of a name."""
    t, of = words_of(request), "" if name is None else "_user"
    if not wait:
        return asked(request, 403, to, t(f"login.wrong{of}"), name or "")
    answer = asked(request, 429, to, t(f"login.wait{of}", n=wait), name or "")
    answer.headers["Retry-After"] = str(wait)
    return answer


@router.post("/logout")
async def sign_out(request: Request) -> Response:
    """End the session of this browser."""
    access, person = _access(request), person_of(request)
    access.sessions.end(session_of(request.headers))
    outside = False
    if access.people is not None and person.user is not None:
        outside = access.people.is_outside(person.user)
        await writing_of(request).do(access.people.note, SIGNED_OUT, person.name)
    answer = RedirectResponse(f"{LOGIN}?out=yes" if outside else LOGIN, 303)
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


def _access(request: Request) -> Access:
    access: Access = request.app.state.access
    return access
