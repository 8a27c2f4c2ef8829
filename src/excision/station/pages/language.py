"""The language of the pages: that of the browser, until a person chooses one."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from excision.station.api.writing import writing_of
from excision.station.pages.inside import inside
from excision.station.pages.strings import languages
from excision.station.pages.web import LANGUAGE_COOKIE, PageRoute, small_form
from excision.station.people.roles import person_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_KEPT = 400 * 86400  # seconds, which is as long as browsers allow


@router.post("/language")
async def choose(request: Request) -> Response:
    """Keep the language that a person chose: with the user where one has signed in, and in this browser."""
    form = await small_form(request)
    language, person = form.get("language", ""), person_of(request)
    if language not in ("", *languages()):
        raise HTTPException(422, "there is no such language")
    if person.user is not None:
        people = request.app.state.station.people
        await writing_of(request).do(people.choose_language, person.user, language)
    answer = RedirectResponse(inside(form.get("to", "/")), 303)
    secure = request.url.scheme == "https"
    if language:
        answer.set_cookie(LANGUAGE_COOKIE, language, _KEPT, samesite="lax", httponly=True, secure=secure)
    else:
        answer.delete_cookie(LANGUAGE_COOKIE, samesite="lax", httponly=True, secure=secure)
    return answer
