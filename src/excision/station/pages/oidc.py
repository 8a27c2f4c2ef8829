"""Signing in with the provider of a plant: to it, and back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from excision.station.pages.inside import inside
from excision.station.pages.login import LOGIN, asked, begin_session
from excision.station.pages.web import PageRoute, render, words_of
from excision.station.people.oidc.errors import Reason, SignInError
from excision.station.people.oidc.outside import Outside
from excision.station.people.oidc.settings import BACK, START
from excision.station.people.people import People, person_from
from excision.station.people.users import SIGNED_IN

router = APIRouter(route_class=PageRoute, include_in_schema=False)

COOKIE = "excision_signing_in"

_KEPT = 600  # seconds
_LONGEST_ADDRESS = 1000  # the cookie has to hold it
_LONGEST = 4096
_WAITING = 16  # requests that may wait for a thread

AT_ONCE = 4
"""Requests that may ask the provider at the same time."""

_P = ParamSpec("_P")
_T = TypeVar("_T")

_STATUS: dict[Reason, int] = {"away": 503, "busy": 503, "answer": 502, "state": 400}

_LOG = logging.getLogger(__name__)


@router.get(START)
async def leave(request: Request, to: str = "/") -> Response:
    """Lead the browser to the provider."""
    outside, to = _outside(request), inside(to)
    try:
        address, pending = await _wait(request, outside.begin, to if len(to) <= _LONGEST_ADDRESS else "/")
    except SignInError as error:
        return _refuse(request, error, to)
    answer = RedirectResponse(address, 303)
    # The provider leads back from another site, where a browser sends no cookie that is "strict".
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, pending.cookie, _KEPT, path=LOGIN, httponly=True, samesite="lax", secure=secure)
    return answer


@router.get(BACK)
async def come_back(
    request: Request, state: str = "", code: str = "", error: str = "", iss: str | None = None
) -> Response:
    """Let in whom the provider has signed in."""
    outside, to = _outside(request), "/"
    try:
        pending = outside.recognise(request.cookies.get(COOKIE, "")[:_LONGEST], state[:_LONGEST], iss)
        to = inside(pending.to)
        if error or not 0 < len(code) <= _LONGEST:
            raise SignInError("declined", f"the provider declined a sign-in: {error[:100]!r}")
        user = await _wait(request, outside.finish, pending, code)
    except SignInError as refused:
        return _refuse(request, refused, to)
    people = _people(request)
    # A browser that came from another site does not show the new cookie before a page here asks for another.
    answer = render(request, "signed_in.html.j2", to=to, person_named=user.name)
    begin_session(request, answer, person_from(user), user.generation, outside.settings.session)
    await run_sync(people.refresh)
    await run_sync(people.note, SIGNED_IN, user.name)
    return _without_cookie(answer)


async def _wait(request: Request, do: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Ask the provider in a thread of its own; it must not hold up anything else."""
    limiter: CapacityLimiter = request.app.state.pages_signing
    if limiter.statistics().tasks_waiting >= _WAITING:
        raise SignInError("busy", "too many people sign in at once")
    return await run_sync(partial(do, *args, **kwargs), limiter=limiter)


def _refuse(request: Request, error: SignInError, to: str) -> Response:
    _LOG.warning("no sign-in with the provider: %s", error)
    t, outside = words_of(request), _outside(request)
    words = t(f"oidc.{error.reason}", label=outside.settings.label, name=error.name[:64])
    answer = asked(request, _STATUS.get(error.reason, 403), to, outside=words)
    return _without_cookie(answer)


def _without_cookie(answer: Response) -> Response:
    answer.delete_cookie(COOKIE, path=LOGIN, httponly=True, samesite="lax")
    return answer


def _people(request: Request) -> People:
    people: People = request.app.state.access.people
    return people


def _outside(request: Request) -> Outside:
    outside = _people(request).outside
    if outside is None:
        raise HTTPException(404, "this station has no sign-in provider")
    return outside
