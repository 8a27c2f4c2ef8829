"""What the service answers when something goes wrong: one table for the interface and for the pages."""

from __future__ import annotations

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from excision.errors import BusyError, ExcisionError, GoneError
from excision.station.api.uploads import UploadError

HANDLED = (ExcisionError, UploadError, ClientDisconnect, HTTPException, RequestValidationError)
"""Errors that are explained to the client; any other is a fault of the station."""

_UNPROCESSABLE, _UNAVAILABLE = 422, 503

_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (ClientDisconnect, 400),
    (GoneError, 410),
    (BusyError, _UNAVAILABLE),
)


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
    return headers | ({"Retry-After": "1"} if status_of(error) == _UNAVAILABLE else {})


def sentence_of(error: Exception) -> str:
    """Say what went wrong in one sentence."""
    if isinstance(error, HTTPException):
        return str(error.detail)
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        return f"{' '.join(str(part) for part in first['loc'])}: {first['msg']}"
    return str(error)
