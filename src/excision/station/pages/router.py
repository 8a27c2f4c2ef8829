"""The pages as a whole, and how a service gets them."""

from __future__ import annotations

from anyio import CapacityLimiter
from fastapi import APIRouter, FastAPI, Request, Response

from excision.station.api.security import OPEN
from excision.station.pages import (
    alarms,
    audit,
    drift,
    improve,
    language,
    live,
    login,
    models,
    new_model,
    next_labels,
    oidc,
    quality,
    review,
    signals,
    thresholds,
    try_,
    users,
)
from excision.station.pages.for_browsers import ForBrowsers
from excision.station.pages.jobs import Jobs
from excision.station.pages.source import HubSource
from excision.station.pages.web import ASSETS, asset
from excision.station.people.oidc.settings import BACK, START

OPEN_PATHS = OPEN | {login.LOGIN, START, BACK, "/language", *(f"/static/{name}" for name in ASSETS)}
"""Paths that need no key where a service has pages: also the form that asks for it, and its looks."""

_assets = APIRouter(include_in_schema=False)
_assets.add_api_route("/static/{name}", asset)


@_assets.get("/favicon.ico")
def _icon(request: Request) -> Response:
    return asset(request, "icon.svg")


_STATION = (
    "Excision",
    (
        ("/", "live"),
        ("/review", "review"),
        ("/quality", "quality"),
        ("/review/threshold", "threshold"),
        ("/models", "models"),
        ("/try", "try"),
    ),
)
_HUB = ("Excision hub", (("/", "live"), ("/review", "review"), ("/quality", "quality")))
"""What stands at the head of every page: a name, and addresses with their words."""


def attach(app: FastAPI) -> FastAPI:
    """Give a service its pages.

    Args:
        app: that `create_app` made, with `OPEN_PATHS` as those that need no key.
    """
    app.state.pages_source = app.state.station
    app.state.pages_named = _named(app)
    app.state.pages_jobs = Jobs()
    app.state.pages_trials = try_.Trials()
    app.state.pages_signing = CapacityLimiter(oidc.AT_ONCE)
    # Before results by their number: the first route that fits is taken.
    for router in (
        live.router,
        drift.router,
        thresholds.router,
        next_labels.router,
        review.router,
        review.labelling,
        quality.sheets,
        quality.router,
        models.router,
        improve.router,
        new_model.router,
        try_.router,
        signals.router,
        login.router,
        oidc.router,
        language.router,
        alarms.router,
        users.router,
        audit.router,
    ):
        app.include_router(router)
    app.include_router(_assets)
    app.add_middleware(ForBrowsers)
    app.add_middleware(login.ToLogin)
    return app


def _named(app: FastAPI) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Give what stands at the head of a station's pages; without signals, without theirs."""
    name, pages = _STATION
    return (name, (*pages, ("/signals", "signals"))) if signals.has_signals(app.state.line) else _STATION


def attach_hub(app: FastAPI) -> FastAPI:
    """Give a hub its pages: those of results, to be read.

    Args:
        app: that `create_hub` made, with `OPEN_PATHS` as those that need no key.
    """
    app.state.pages_source = HubSource(app.state.hub)
    app.state.pages_named = _HUB
    for router in (live.router, review.router, quality.router, login.router, language.router, _assets):
        app.include_router(router)
    app.add_middleware(ForBrowsers)
    app.add_middleware(login.ToLogin)
    return app
