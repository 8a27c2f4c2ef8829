"""The pages as a whole, and how a service gets them."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request, Response

from excision.station.api.security import OPEN
from excision.station.pages import drift, live, login, models, review, thresholds, try_
from excision.station.pages.jobs import Jobs
from excision.station.pages.web import ASSETS, asset

OPEN_PATHS = OPEN | {login.LOGIN, *(f"/static/{name}" for name in ASSETS)}
"""Paths that need no key where a service has pages: also the form that asks for it, and its looks."""

_assets = APIRouter(include_in_schema=False)
_assets.add_api_route("/static/{name}", asset)


@_assets.get("/favicon.ico")
def _icon(request: Request) -> Response:
    return asset(request, "icon.svg")


def attach(app: FastAPI) -> FastAPI:
    """Give a service its pages.

    Args:
        app: that `create_app` made, with `OPEN_PATHS` as those that need no key.
    """
    app.state.pages_jobs = Jobs()
    app.state.pages_trials = try_.Trials()
    # Before results by their number: the first route that fits is taken.
    for part in (live, drift, thresholds, review, models, try_, login):
        app.include_router(part.router)
    app.include_router(_assets)
    app.add_middleware(login.ToLogin)
    return app
