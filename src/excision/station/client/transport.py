"""Requests to a station, repeated while it is busy, and the errors that its answers mean."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime
from typing import Any

from excision.errors import BusyError, GoneError, StationError

_DETAIL = 2**16  # bytes that a refusal may have


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow no redirect: urllib would show the key to whoever is named, and lose the body on the way."""


class Transport:
    """Sends requests to a station and gives its answers, for a class that knows what to ask.

    Args:
        url: of the service, such as "http://127.0.0.1:8000".
        key: that the station asks for; None shows none.
        timeout: seconds without an answer after which a request is given up.
        patience: seconds for which a busy station is asked again.
    """

    _other = "station"
    _most = 2**29
    """Bytes that an answer may have; the largest image that a station inspects is smaller."""

    def __init__(
        self, url: str, key: str | None = None, *, timeout: float = 60.0, patience: float = 60.0
    ) -> None:
        self.url = url.rstrip("/")
        self.timeout = timeout
        self.patience = patience
        self._headers = {} if key is None else {"X-API-Key": key}
        # A station is a machine of one's own: no proxy lies between.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay())

    def _json(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> dict[str, Any]:
        """Send a request, and give the JSON object of its answer.

        Raises:
            StationError: as `_ask`.
        """
        content: dict[str, Any] = json.loads(self._ask(method, path, body, kind))
        return content

    def _ask(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> bytes:
        """Send a request, and give its answer.

        Args:
            method: of HTTP.
            path: with its query.
            body: of the request.
            kind: its media type.

        Raises:
            BusyError: the station had no room for as long as this is patient.
            StatusError: the station refuses for another reason.
            StationError: the station cannot be reached, or its address redirects to another one.
        """
        deadline = time.monotonic() + self.patience
        while True:
            try:
                return self._once(method, path, body, kind)
            except _BusyError as busy:
                if time.monotonic() + busy.wait > deadline:
                    raise BusyError(str(busy)) from None
                time.sleep(busy.wait)

    def _once(self, method: str, path: str, body: bytes | None, kind: str) -> bytes:
        headers = self._headers | ({"Content-Type": kind} if kind else {})
        request = urllib.request.Request(self.url + path, data=body, headers=headers, method=method)
        try:
            with self._opener.open(request, timeout=self.timeout) as response:
                content: bytes = response.read(self._most + 1)
                if len(content) > self._most:
                    raise StationError(
                        f"{self.url}: the answer of the {self._other} has more than {self._most} bytes"
                    )
                return content
        except urllib.error.HTTPError as error:
            with error:
                if error.code in range(300, 400):
                    raise StationError(
                        f"{self.url} redirects to another address: use that one instead"
                    ) from None
                raise _problem(error.code, error.headers.get("Retry-After"), error.read(_DETAIL)) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or str(error) or type(error).__name__
            raise StationError(f"{self.url}: no answer from the {self._other} ({reason})") from error


class StatusError(StationError):
    """The station refused a request, with this status of HTTP."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class _BusyError(BusyError):
    def __init__(self, detail: str, wait: float) -> None:
        super().__init__(detail)
        self.wait = wait


def _problem(status: int, retry_after: str | None, body: bytes) -> StationError:
    try:
        detail = str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        detail = f"the station answered with status {status}"
    if status == http.client.SERVICE_UNAVAILABLE:
        wait = float(retry_after) if retry_after and retry_after.isdigit() else 1.0
        return _BusyError(detail, max(wait, 0.1))
    return GoneError(detail) if status == http.client.GONE else StatusError(status, detail)


def query_of(**values: Any) -> str:
    """Write a query; what is None is left out."""
    words = {
        name: value.isoformat() if isinstance(value, datetime) else str(value)
        for name, value in values.items()
        if value is not None
    }
    # A file name need not be text: bytes that are not become escapes.
    return urllib.parse.urlencode(words, errors="backslashreplace")
