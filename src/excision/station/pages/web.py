"""How a page is answered: templates, headers, assets, small forms, and errors that a person can read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine, Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from fastapi import HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute

from excision.station.api.errors import HANDLED, headers_of, known, sentence_of, status_of
from excision.station.api.uploads import UploadError
from excision.station.pages import strings
from excision.station.pages.numbers import decimals, figure, local, moment, percent
from excision.station.pages.sentences import reasons, translated
from excision.station.people.rights import RoleError, may, needed
from excision.station.people.roles import Role, name_of, person_of
from excision.station.station import Station

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.runtime import Context

ASSETS = {
    "style.css": "text/css; charset=utf-8",
    "charts.css": "text/css; charset=utf-8",
    "people.css": "text/css; charset=utf-8",
    "alarms.js": "text/javascript; charset=utf-8",
    "theme.js": "text/javascript; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "zoom.css": "text/css; charset=utf-8",
    "zoom.js": "text/javascript; charset=utf-8",
    "signing.css": "text/css; charset=utf-8",
}

_SHARED = frozenset({"zoom.css", "zoom.js", "signing.css"})
"""Assets that reports embed, too: they lie with what draws pictures."""

_ZOOM = (
    *("previous", "next", "level", "larger", "smaller", "fit"),
    *("pixels", "pixels_about", "close", "stage", "help"),
)

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # Under "no-referrer" a browser hides the origin of a form, which the security layer wants to see.
    "Referrer-Policy": "same-origin",
    "Vary": "HX-Request, Accept-Language, Cookie",
}

LANGUAGE_COOKIE = "excision_language"
"""Holds the language that somebody chose in this browser."""

_LONGEST_FORM = 64 * 2**10
_LONGEST_NAME = 200


class PageRoute(APIRoute):
    """A route whose errors are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Give the handler."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                _refuse_other_sites(request)
                return await handle(request)
            except HANDLED as raised:
                error = known(request, raised)
                answer = problem(request, status_of(error), _said(request, error))
                answer.headers.update(headers_of(error))
                return answer

        return handled


def station_of(request: Request) -> Station:
    """Give the station behind a request."""
    station: Station = request.app.state.station
    return station


def words_of(request: Request) -> strings.Words:
    """Give the words in the language that the person chose, or else the one that the browser asks for."""
    known = strings.languages()
    for chosen in (person_of(request).language, request.cookies.get(LANGUAGE_COOKIE, "")):
        if chosen in known:
            return strings.words(chosen)
    return strings.words(strings.preferred(request.headers.get("accept-language", ""), known))


def wants_part(request: Request) -> bool:
    """Tell whether HTMX asks for a part of a page."""
    return request.headers.get("hx-request") == "true"


def render(request: Request, template: str, status: int = 200, /, **values: Any) -> HTMLResponse:
    """Answer with a template."""
    t = words_of(request)
    page = _environment().get_template(template)
    text = page.render(
        **values,
        t=t,
        asset=_address,
        signed_in=request.app.state.access.signed_in(request.headers) is not None,
        person=person_of(request),
        alarmed=_shows_alarms(request),
        languages=_languages(),
        has_people=hasattr(request.app.state, "station"),
        address_now=_address_of(request),
        may=lambda method, path: may(request, method, path),
        needed=needed,
        path=request.url.path,
        htmx_config=HTMX,
        named=request.app.state.pages_named,
        zoom_words={name: t(f"zoom.{name}") for name in _ZOOM},
    )
    return HTMLResponse(text, status, {**_HEADERS, "Content-Language": t.language})


HTMX = (
    '{"allowEval":false,"includeIndicatorStyles":false,"defaultSettleDelay":0,"historyCacheSize":0,'
    '"refreshOnHistoryMiss":true,"selfRequestsOnly":true,"scrollIntoViewOnBoost":false}'
)
"""Settings of HTMX: nothing that the policy of the pages forbids, no page kept in the browser; new buttons
work from the moment they are seen: a quick key must not find one that HTMX does not know yet."""


def _shows_alarms(request: Request) -> bool:
    station: Station | None = getattr(request.app.state, "station", None)
    if station is None or not person_of(request).role.covers(Role.OPERATOR):
        return False
    return station.alarms.settings is not None or bool(station.alarms.standing)


def _address_of(request: Request) -> str:
    """Give the address of the page, to come back to; that of the first page where it cannot be asked for."""
    if request.method != "GET" or request.url.path == "/login":
        return "/"
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


@cache
def _languages() -> tuple[tuple[str, str], ...]:
    """Give every language with its own name."""
    return tuple((tag, strings.words(tag)("language")) for tag in strings.languages())


def problem(request: Request, status: int, sentence: str) -> HTMLResponse:
    """Answer with what went wrong, as a page or as the part that HTMX asks for."""
    template = "problem_part.html.j2" if wants_part(request) else "problem.html.j2"
    return render(request, template, status, sentence=sentence, status=status)


def who_of(request: Request, form: Mapping[str, str]) -> str:
    """Give the name to record for what a form changes: that of the user, or what was typed into it."""
    return name_of(request, form.get("who", ""))[:_LONGEST_NAME]


async def small_form(request: Request) -> dict[str, str]:
    """Read the fields of a form that holds no file; of a repeated field the last counts.

    Raises:
        UploadError: it is larger than any form of these pages.
    """
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > _LONGEST_FORM:
            raise UploadError(413, f"a form may hold {_LONGEST_FORM} bytes at most")
    try:
        return dict(parse_qsl(content.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=100))
    except ValueError as error:
        raise UploadError(400, f"this is no proper form ({error})") from error


def asset(request: Request, name: str) -> Response:
    """Answer with an asset; its address changes with its content, so browsers may keep it."""
    if name not in ASSETS:
        raise HTTPException(404, f"there is no asset {name}")
    current = request.query_params.get("v") == _digest(name)
    keep = "public, max-age=31536000, immutable" if current else "no-cache"
    return Response(_content(name), media_type=ASSETS[name], headers={"Cache-Control": keep})


def _said(request: Request, error: Exception) -> str:
    t = words_of(request)
    if isinstance(error, RoleError):
        return t("not_allowed", needed=t(f"role.{error.needed}"), had=t(f"role.{error.had}"))
    return sentence_of(error)


def _refuse_other_sites(request: Request) -> None:
    if request.method in ("GET", "HEAD"):
        return
    # The security layer compares Origin with Host; a browser that says more is believed as well.
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403, "a page of another site may not change anything here")


@cache
def _environment() -> Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, pass_context

    environment = Environment(
        loader=ChoiceLoader(
            [PackageLoader("excision.station.pages"), PackageLoader("excision.visualization")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def in_language(write: Callable[..., str]) -> Callable[..., str]:
        @pass_context
        def written(context: Context, value: Any, *given: Any, **named: Any) -> str:
            return write(value, *given, language=context["t"].language, **named)

        return written

    for name, write in (
        ("decimals", decimals),
        ("figure", figure),
        ("moment", moment),
        ("percent", percent),
        ("said", translated),
        ("reasons", reasons),
    ):
        environment.filters[name] = in_language(write)
    environment.filters["clock"] = lambda seconds: local(seconds).strftime("%H:%M:%S")
    environment.filters["machine_time"] = lambda seconds: local(seconds).isoformat(timespec="seconds")
    environment.filters["sentence"] = lambda text: f"{text[:1].upper()}{text[1:]}"
    return environment


def _address(name: str) -> str:
    return f"/static/{name}?v={_digest(name)}"


@cache
def _content(name: str) -> bytes:
    if name in _SHARED:
        return resources.files("excision.visualization").joinpath("templates", name).read_bytes()
    return resources.files(__package__).joinpath("static", name).read_bytes()


@cache
def _digest(name: str) -> str:
    return hashlib.sha256(_content(name)).hexdigest()[:12]
