"""What the service answers when something goes wrong: one table for the interface and for the pages."""

from __future__ import annotations

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from excision.errors import BusyError, DiskFullError, ExcisionError, GoneError, StoreBusyError, StoreError
from excision.station.api.uploads import UploadError

HANDLED = (ExcisionError, UploadError, ClientDisconnect, HTTPException, RequestValidationError, OSError)
"""Errors that are explained to the client; any other is a fault of the station."""

_UNPROCESSABLE, _UNAVAILABLE, _NO_SPACE = 422, 503, 507

_AGAIN: tuple[tuple[type[Exception], str], ...] = ((StoreBusyError, "5"), (StoreError, "30"))
"""Seconds after which to ask again; a lock may pass soon, and the rest needs a person."""

_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (ClientDisconnect, 400),
    (GoneError, 410),
    (BusyError, _UNAVAILABLE),
    (DiskFullError, _NO_SPACE),
    (StoreError, _UNAVAILABLE),
)


def known(request: Request, error: Exception) -> Exception:
    """Give an error as one that can be explained: an error of the system as the fault of the disk behind it.

    Raises:
        OSError: the error itself, where it is a fault of the station.
    """
    if not isinstance(error, OSError):
        return error
    station = getattr(request.app.state, "station", None)
    fault: Exception | None = None if station is None else station.guard.explain(error)
    if fault is None:
        raise error
    return fault


async def explain(request: Request, error: Exception) -> JSONResponse:
    """Answer a request of the interface with what went wrong."""
    error = known(request, error)
    status = status_of(error)
    request.app.state.metrics.refused(status)
    return JSONResponse({"detail": sentence_of(error)}, status, headers_of(error))


def status_of(error: Exception) -> int:
    """Give the HTTP status of an error; a subclass has that of its class, and 422 is for all others."""
    if isinstance(error, UploadError):
        return error.status
    if isinstance(error, HTTPException):
        return error.status_code
    return next((status for kind, status in _STATUS if isinstance(error, kind)), _UNPROCESSABLE)


def headers_of(error: Exception) -> dict[str, str]:
    """Give the headers that an error brings; a busy station asks for a retry after a second."""
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if status_of(error) not in (_UNAVAILABLE, _NO_SPACE):
        return headers
    return headers | {"Retry-After": next((after for kind, after in _AGAIN if isinstance(error, kind)), "1")}


def sentence_of(error: Exception) -> str:
    """Say what went wrong in one sentence."""
    if isinstance(error, HTTPException):
        return str(error.detail)
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        said = "there is no such key" if first["type"] == "extra_forbidden" else first["msg"]
        return f"{' '.join(str(part) for part in first['loc'])}: {said}"
    return str(error)
