"""One table from error to HTTP status, for the interface and for the pages."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import uvicorn
from fastapi import APIRouter, HTTPException, Query, Request
from starlette.requests import ClientDisconnect

from excision import errors
from excision.station.api.app import create_app
from excision.station.api.uploads import UploadError
from excision.station.pages.web import PageRoute


class StillBusyError(errors.BusyError):
    """A subclass has the status of its class."""


EXPECTED: list[tuple[Exception, int]] = [
    (errors.BusyError("full"), 503),
    (StillBusyError("full"), 503),
    (errors.GoneError("gone"), 410),
    (errors.SettingsError("wrong"), 422),
    (errors.ModelError("damaged"), 422),
    (errors.ImageError("torn"), 422),
    (errors.DatasetError("empty"), 422),
    (errors.ResultsError("missing"), 422),
    (UploadError(413, "too large"), 413),
    (UploadError(408, "too slow"), 408),
    (HTTPException(404, "nowhere"), 404),
    (HTTPException(401, "who?", {"WWW-Authenticate": "Bearer"}), 401),
    (ClientDisconnect(), 400),
]


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    text: str


class Errors:
    """A service on a real port whose routes and pages raise errors."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, path: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read().decode())
        finally:
            connection.close()


class NoStation:
    """What an application asks of its station when it starts and ends."""

    class queue:  # noqa: N801  stands for an attribute
        unanswered, bound = 0, 1

    outbox = people = None

    class alarms:  # noqa: N801  stands for an attribute
        settings = None
        standing = ()

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def service() -> Iterator[Errors]:
    plain, pages = APIRouter(), APIRouter(route_class=PageRoute)

    def fail(number: int) -> Any:
        raise EXPECTED[number][0]

    def typed(_request: Request, number: int = Query(gt=0)) -> int:
        return number

    for router, prefix in ((plain, "/plain"), (pages, "/page")):
        router.add_api_route(f"{prefix}/typed", typed)
        router.add_api_route(f"{prefix}/{{number}}", fail)
    app = create_app(NoStation(), routers=(plain, pages))  # type: ignore[arg-type]
    app.state.pages_named = ("Errors", ())
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield Errors(listener.getsockname()[1])
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize("number", range(len(EXPECTED)), ids=lambda n: f"{EXPECTED[n][0]!r}")
def test_interface_and_pages_answer_with_the_same_status(service: Errors, number: int) -> None:
    error, status = EXPECTED[number]
    plain, page = service.get(f"/plain/{number}"), service.get(f"/page/{number}")
    assert (plain.status, page.status) == (status, status)
    again = "1" if status == 503 else None
    assert (plain.headers.get("retry-after"), page.headers.get("retry-after")) == (again, again)
    assert plain.headers.get("www-authenticate") == page.headers.get("www-authenticate")
    said = str(getattr(error, "detail", error))
    assert json.loads(plain.text) == {"detail": said}
    assert page.headers["content-type"].startswith("text/html")
    assert said in page.text


def test_a_wrong_parameter_is_named_by_both(service: Errors) -> None:
    plain, page = service.get("/plain/typed?number=0"), service.get("/page/typed?number=0")
    assert (plain.status, page.status) == (422, 422)
    said = json.loads(plain.text)["detail"]
    assert said.startswith("query number:")
    assert said in page.text
