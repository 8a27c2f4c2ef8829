"""Which role may use which route: one table for the interface and the pages, and its check."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request

from excision.station.people.oidc.settings import BACK, START
from excision.station.people.roles import Role, person_of

_LOOK = {
    "/v1/models",
    "/v1/models/{name}",
    "/v1/models/{name}/history",
    "/v1/models/{name}/drift",
    "/v1/alarms",
    "/v1/results",
    "/v1/results/{number}",
    "/v1/results/{number}/image",
    "/v1/results/{number}/overlay.png",
    "/v1/results/{number}/map.png",
    "/v1/results/{number}/map.tiff",
    "/v1/results/{number}/stages/{stage}.png",
    "/metrics",
    "/openapi.json",
    "/",
    "/live/now",
    "/parts/{number}/{size}.png",
    "/review",
    "/quality",
    "/quality/handover",
    "/quality/{table}.{form}",
    "/review/threshold",
    "/review/threshold/forecast",
    "/models",
    "/models/{name}/odd_image.png",
    "/models/{name}/capability/{kind}.png",
    "/alarms",
    "/alarms/now",
    "/account",
    "/work",
    "/work/clean-up",
    "/try",
    "/try/{token}/{name}.png",
    "/improve",
    "/improve/now",
    "/improve/{name}/{number}/acceptance",
    "/improve/{name}/{number}/pictures/{picture}.png",
    "/review/next",
    "/new-model",
    "/new-model/now",
    "/new-model/{name}/images/{number}.png",
    "/new-model/{name}/figures/{figure}.png",
    "/favicon.ico",
    "/signals",
}

RIGHTS: dict[tuple[str, str], Role] = {
    ("GET", "/healthz"): Role.NOBODY,
    ("GET", "/readyz"): Role.NOBODY,
    ("GET", "/static/{name}"): Role.NOBODY,
    ("GET", "/login"): Role.NOBODY,
    ("POST", "/login"): Role.NOBODY,
    ("GET", START): Role.NOBODY,
    ("GET", BACK): Role.NOBODY,
    ("POST", "/logout"): Role.NOBODY,
    ("POST", "/language"): Role.NOBODY,
    **{("GET", path): Role.OPERATOR for path in _LOOK},
    ("POST", "/v1/inspect"): Role.OPERATOR,
    ("POST", "/try"): Role.OPERATOR,
    ("POST", "/alarms/{number}/acknowledge"): Role.OPERATOR,
    ("POST", "/account/password"): Role.OPERATOR,
    ("POST", "/v1/alarms/{number}/acknowledgement"): Role.OPERATOR,
    ("POST", "/v1/results/{number}/labels"): Role.REVIEWER,
    ("POST", "/v1/results/{number}/marks"): Role.REVIEWER,
    ("POST", "/v1/results/{number}/labels/{label_number}/withdrawal"): Role.REVIEWER,
    ("POST", "/review/{number}/labels"): Role.REVIEWER,
    ("POST", "/review/{number}/labels/{label_number}/withdrawal"): Role.REVIEWER,
    ("GET", "/review/confirmed-good.zip"): Role.REVIEWER,
    ("GET", "/review/confirmed-defects.zip"): Role.REVIEWER,
    ("POST", "/signals/{name}/letters"): Role.ENGINEER,
    ("POST", "/v1/models/{name}/load"): Role.ENGINEER,
    ("POST", "/v1/models/{name}/rollback"): Role.ENGINEER,
    ("POST", "/v1/models/{name}/thresholds"): Role.ENGINEER,
    ("POST", "/v1/models/{name}/drift"): Role.ENGINEER,
    ("POST", "/review/threshold"): Role.ENGINEER,
    ("POST", "/models/{name}/rollback"): Role.ENGINEER,
    ("POST", "/models/{name}/load"): Role.ENGINEER,
    ("POST", "/models/{name}/work"): Role.ENGINEER,
    ("POST", "/work/stop"): Role.ENGINEER,
    ("POST", "/work/clean-up/stop"): Role.ENGINEER,
    ("POST", "/drift/{name}"): Role.ENGINEER,
    ("POST", "/models/{name}/improve"): Role.ENGINEER,
    ("POST", "/improve/stop"): Role.ENGINEER,
    ("POST", "/new-model"): Role.ENGINEER,
    ("POST", "/new-model/{name}/upload"): Role.ENGINEER,
    ("POST", "/new-model/{name}/take"): Role.ENGINEER,
    ("POST", "/new-model/{name}/check"): Role.ENGINEER,
    ("POST", "/new-model/{name}/train"): Role.ENGINEER,
    ("POST", "/new-model/{name}/calibrate"): Role.ENGINEER,
    ("POST", "/new-model/{name}/live"): Role.ENGINEER,
    ("POST", "/improve/{name}/{number}/live"): Role.ENGINEER,
    ("POST", "/improve/{name}/{number}/shadow"): Role.ENGINEER,
    ("POST", "/improve/{name}/shadow/end"): Role.ENGINEER,
    ("POST", "/improve/{name}/confirm/{result}"): Role.REVIEWER,
    ("GET", "/users"): Role.ADMIN,
    ("POST", "/users"): Role.ADMIN,
    ("POST", "/users/{number}"): Role.ADMIN,
    ("GET", "/audit"): Role.ADMIN,
    ("GET", "/audit/trail.{form}"): Role.ADMIN,
}
"""The least role that may use a route, by its method and path; a route without an entry is for admins."""


class RoleError(HTTPException):
    """The role of a person does not allow what was asked for.

    Attributes:
        needed: the least role that may.
        had: the role of the person.
    """

    def __init__(self, needed: Role, had: Role) -> None:
        super().__init__(
            403,
            f"this needs the role {needed} or a higher one, and yours is {had}: ask an admin of the station",
        )
        self.needed, self.had = needed, had


def needed(method: str, path: str) -> Role:
    """Give the least role that may use a route.

    Args:
        method: of HTTP.
        path: of the route as it was declared, such as "/v1/models/{name}".
    """
    return RIGHTS.get(("GET" if method == "HEAD" else method, path), Role.ADMIN)


def may(request: Request, method: str, path: str) -> bool:
    """Tell whether the person behind a request may use another route, for pages that show only what works."""
    return person_of(request).role.covers(needed(method, path))


async def permitted(request: Request) -> None:
    """Refuse a request whose route needs a higher role; a dependency of every route of a service.

    Raises:
        RoleError: the role is too low.
    """
    check_role(request, request.scope["route"].path)


def check_role(request: Request, path: str) -> None:
    """Refuse a request to a route that needs a higher role.

    Args:
        request: of somebody.
        path: of the route as it was declared.

    Raises:
        RoleError: the role is too low.
    """
    least, person = needed(request.method, path), person_of(request)
    if not person.role.covers(least):
        raise RoleError(least, person.role)
