"""Users of a station for its admins, and what each user may change alone."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from excision.errors import SettingsError
from excision.station.api.security import address_of
from excision.station.api.writing import writing_of
from excision.station.pages.login import begin_session
from excision.station.pages.web import PageRoute, render, small_form, station_of, who_of, words_of
from excision.station.people.people import People, WaitError, person_from
from excision.station.people.roles import ROLES, person_of
from excision.station.people.users import role_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/users")
def users(request: Request) -> Response:
    """Show the users."""
    return _shown(request)


@router.post("/users")
async def add(request: Request) -> Response:
    """Add a user."""
    form, people = await small_form(request), _people(request)
    if form.get("password") != form.get("again"):
        return _shown(request, words_of(request)("users.differ"), form)
    who = who_of(request, form)

    def do() -> None:
        name, password = form.get("name", ""), form.get("password", "")
        people.users.add(name, role_of(form.get("role", "")), password, who)
        people.refresh()

    return await _done(request, do, form)


@router.post("/users/{number}")
async def change(request: Request, number: int) -> Response:
    """Give a user another role or password, or disable one."""
    form, people, who = await small_form(request), _people(request), who_of(request, {})
    user = next((user for user in people.users.all() if user.id == number), None)
    if user is None:
        raise HTTPException(404, f"there is no user {number}")

    def do() -> None:
        what = form.get("change", "")
        if what == "role":
            people.users.set_role(user.name, role_of(form.get("role", "")), who)
        elif what == "password":
            people.users.set_password(user.name, form.get("password", ""), who)
        elif what in ("disable", "enable"):
            people.users.set_disabled(user.name, what == "disable", who)
        else:
            raise SettingsError("say what to change: role, password, disable or enable")
        people.refresh()

    return await _done(request, do, form)


@router.get("/account")
def account(request: Request) -> Response:
    """Show what a user may change alone."""
    return render(request, "account.html.j2", wrong=None, changed=False, outside=_is_outside(request))


@router.post("/account/password")
async def password(request: Request) -> Response:
    """Give oneself another password, after the present one."""
    form, people, person = await small_form(request), _people(request), person_of(request)
    status, wrong = await _change_password(request, people, form)
    answer = render(
        request, "account.html.j2", status, wrong=wrong, changed=wrong is None, outside=_is_outside(request)
    )
    user = await writing_of(request).do(people.users.find, person.name)
    if wrong is None and user is not None:
        # All other sessions of the user end; the one that made the change goes on.
        begin_session(request, answer, person_from(user), user.generation)
    return answer


async def _change_password(request: Request, people: People, form: dict[str, str]) -> tuple[int, str | None]:
    """Change the password of the person behind a request; gives the status, and what is wrong."""
    person, t, do = person_of(request), words_of(request), writing_of(request).do
    if person.user is None or _is_outside(request):
        return 403, t("account.nobody" if person.user is None else "account.outside")
    if form.get("password") != form.get("again"):
        return 422, t("users.differ")
    try:
        present = await do(people.sign_in, person.name, form.get("present", ""), address_of(request.scope))
        if present is None or present.id != person.user:
            return 403, t("account.wrong")
        await do(people.users.set_password, person.name, form.get("password", ""), person.name)
    except WaitError as wait:
        return 429, t("login.wait_user", n=wait.seconds)
    except SettingsError as error:
        return 422, str(error)
    await do(people.refresh)
    return 200, None


async def _done(request: Request, change: Any, form: dict[str, str]) -> Response:
    try:
        await writing_of(request).do(change)
    except SettingsError as error:
        return _shown(request, str(error), form)
    return RedirectResponse("/users", 303)


def _shown(request: Request, wrong: str | None = None, form: dict[str, str] | None = None) -> Response:
    given = {name: text for name, text in (form or {}).items() if name in ("name", "role")}
    found = _people(request).users.all()
    status = 200 if wrong is None else 422
    values = {"users": found, "roles": ROLES, "wrong": wrong, "given": given}
    return render(request, "users.html.j2", status, **values)


def _is_outside(request: Request) -> bool:
    number = person_of(request).user
    return number is not None and _people(request).is_outside(number)


def _people(request: Request) -> People:
    return station_of(request).people
