"""Which role may use which route: every route of a service has an entry, and every entry a route."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from excision.station.api.app import create_app
from excision.station.pages.router import OPEN_PATHS, attach
from excision.station.people.rights import RIGHTS, needed, permitted
from excision.station.people.roles import ROLES, Role
from excision.station.station import Station, StationSettings


@pytest.fixture(scope="module")
def app(line: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    station = Station(StationSettings(tmp_path_factory.mktemp("rights") / "station", {"fabric": line}))
    yield attach(create_app(station, open_paths=OPEN_PATHS))
    station.close()


def routes_of(app: FastAPI) -> list[Any]:
    """Give every route with its path, methods and dependencies, also those of included routers."""
    found = list(iter_route_contexts(app.routes))
    assert all(hasattr(route, "methods") for route in found), "a mount would need a check of its own"
    return found


def keys_of(routes: list[Any]) -> set[tuple[str, str]]:
    return {(method, route.path) for route in routes for method in route.methods or () if method != "HEAD"}


def test_every_route_has_an_entry_and_every_entry_a_route(app: FastAPI) -> None:
    assert keys_of(routes_of(app)) - set(RIGHTS) == set(), "give these routes a role in people/rights.py"
    assert set(RIGHTS) - keys_of(routes_of(app)) == set(), "these entries are of no route"


def test_every_route_asks_for_the_role(app: FastAPI) -> None:
    asking = [route for route in routes_of(app) if getattr(route, "dependant", None) is not None]
    assert len(asking) > 30
    for route in asking:
        assert permitted in [each.call for each in route.dependant.dependencies], route.path
    # Whatever else there is is for everybody who has signed in.
    others = [route for route in routes_of(app) if route not in asking]
    assert {needed(*key) for key in keys_of(others)} <= {Role.OPERATOR}


def test_what_changes_something_is_not_for_everybody() -> None:
    for (method, path), role in RIGHTS.items():
        if method != "GET" and path not in ("/login", "/logout", "/language"):
            assert role.covers(Role.OPERATOR), path


def test_a_route_without_an_entry_is_for_admins() -> None:
    assert needed("POST", "/v1/new") == Role.ADMIN


def test_roles_cover_those_before_them() -> None:
    for place, role in enumerate(ROLES):
        assert [role.covers(other) for other in ROLES] == [other <= place for other in range(len(ROLES))]
        assert role.covers(Role.NOBODY) and not Role.NOBODY.covers(role)
