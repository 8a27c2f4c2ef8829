"""Requests to a provider: each has an end, and what is read of an answer has a bound."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from excision.errors import SettingsError
from excision.station.people.oidc.errors import SignInError
from excision.system.deadline import Deadline
from excision.version import __version__

_MOST = 2**20  # bytes of an answer; a description or a set of keys has a few thousand


class Wire:
    """Asks a provider; no redirect is followed, and no proxy used.

    Args:
        timeout: seconds of one request, from connecting to the end of the answer.
        ca_file: certificates that the provider's must be signed by; None takes those of the system.

    Raises:
        SettingsError: the certificates cannot be used.
    """

    def __init__(self, timeout: float, ca_file: Path | None) -> None:
        self._timeout = timeout
        try:
            self._tls = ssl.create_default_context(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"{ca_file}: cannot be used for TLS ({error})") from error

    def ask(
        self, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Give status and JSON object of an answer.

        Args:
            url: to ask.
            body: to post; None gets.
            headers: beside the usual ones.

        Raises:
            SignInError: nobody answers in time, or not with a JSON object.
        """
        status, content = self._once(url, body, dict(headers or {}))
        try:
            read = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise SignInError("answer", f"{url}: answers with {status} and no JSON") from error
        if not isinstance(read, dict):
            raise SignInError("answer", f"{url}: answers with no JSON object")
        return status, read

    def _once(self, url: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers |= {"Accept": "application/json", "User-Agent": f"excision/{__version__}"}
        until = time.monotonic() + self._timeout
        with closing(self._connection(url)) as connection, Deadline(self._timeout) as deadline:
            try:
                connection.connect()
                deadline.watch(connection.sock)
                connection.request("GET" if body is None else "POST", target, body, headers)
                answer = connection.getresponse()
                content = answer.read(_MOST + 1)
            except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
                late = time.monotonic() >= until
                why = f"no answer within {self._timeout:g} s" if late else error or type(error).__name__
                raise SignInError("away", f"{url}: cannot be reached ({why})") from error
        if time.monotonic() >= until:
            raise SignInError("away", f"{url}: no answer within {self._timeout:g} s")
        if len(content) > _MOST:
            raise SignInError("answer", f"{url}: answers with more than {_MOST} bytes")
        return answer.status, content

    def _connection(self, url: str) -> http.client.HTTPConnection:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            return http.client.HTTPSConnection(host, parts.port, timeout=self._timeout, context=self._tls)
        return http.client.HTTPConnection(host, parts.port, timeout=self._timeout)
