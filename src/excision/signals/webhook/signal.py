"""Posting reports, signed after the Standard Webhooks specification (standardwebhooks.com, 2023).

The headers are `webhook-id`, the identity of the report; `webhook-timestamp`, seconds since 1970 when this
try was made; and `webhook-signature`, "v1," and the HMAC-SHA256 of "ID.TIMESTAMP.BODY" in base64. So neither
the body nor the time can be changed on the way, and a receiver refuses what is old.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import json
import ssl
import time
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from excision.errors import SettingsError
from excision.signals.signal import Commands, LineState, RefusedError, Report, SignalError
from excision.system.deadline import Deadline
from excision.version import __version__

if TYPE_CHECKING:
    from excision.signals.webhook.settings import WebhookSettings

_PREFIX = "whsec_"
_SHORTEST = 16  # bytes of a key
_FOR_GOOD = frozenset({400, 410, 413, 415, 422})
"""Answers that say that this very report will never be taken; after any other a later try may succeed."""

_MOST = 2**16  # bytes of an answer that are read
_SHOWN = 100


class WebhookSignal:
    """Posts one report after the other; takes no commands, and shows no heartbeat.

    Args:
        name: of the table.
        settings: of the table.

    Attributes:
        give_up: seconds after which a report that could not be sent becomes a dead letter.

    Raises:
        SettingsError: a file or variable of the settings cannot be read.
    """

    durable = True

    def __init__(self, name: str, settings: WebhookSettings) -> None:
        self.name, self._settings = name, settings
        self.give_up = settings.give_up
        self._key = _key(settings.secret.read())
        self._tls: ssl.SSLContext | None = None
        if settings.url.startswith("https"):
            try:
                self._tls = ssl.create_default_context(cafile=settings.ca_file)
            except (OSError, ssl.SSLError) as error:
                raise SettingsError(f"{settings.ca_file}: cannot be used for TLS ({error})") from error

    def start(self, commands: Commands) -> None:
        """Do nothing: a webhook hears nothing."""

    def show(self, state: LineState) -> None:
        """Do nothing: a webhook gets reports alone."""

    def close(self) -> None:
        """Do nothing: no connection outlives its report."""

    def send(self, report: Report) -> None:
        """Post a report; return once the server has answered with 2xx.

        Raises:
            RefusedError: the server will never take it.
            SignalError: it cannot be reached, hangs, redirects, or answers with an error.
        """
        body = json.dumps(report.to_json(), allow_nan=False).encode("ascii")
        headers = sign(self._key, report.id, round(time.time()), body)
        headers |= {"Content-Type": "application/json", "User-Agent": f"excision/{__version__}"}
        status, place, answer = self._post(body, headers)
        if 200 <= status < 300:
            return
        if 300 <= status < 400:
            raise SignalError(f"{self._where}: redirects to {place[:_SHOWN]!r}, and is not followed: set url")
        kind = RefusedError if status in _FOR_GOOD else SignalError
        raise kind(f"{self._where}: answers with {status} {answer[:_SHOWN]!r}")

    def knock(self) -> None:
        """Connect, and go away again.

        Raises:
            SignalError: the server cannot be reached.
        """
        with closing(self._connection()) as connection:
            try:
                connection.connect()
            except (OSError, UnicodeError) as error:
                # A part of a host's name that is too long is no name that could be looked up.
                raise SignalError(f"{self._where}: cannot be reached ({error})") from error

    @property
    def _where(self) -> str:
        return urlsplit(self._settings.url).netloc

    def _connection(self) -> http.client.HTTPConnection:
        parts, timeout = urlsplit(self._settings.url), self._settings.timeout
        assert parts.hostname is not None
        if self._tls is None:
            return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
        return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=self._tls)

    def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, str, str]:
        """Give status, place that it redirects to, and beginning of the answer."""
        parts = urlsplit(self._settings.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        until = time.monotonic() + self._settings.timeout
        with closing(self._connection()) as connection, Deadline(self._settings.timeout) as deadline:
            try:
                connection.connect()
                deadline.watch(connection.sock)
                connection.request("POST", target, body, headers)
                answer = connection.getresponse()
                text = answer.read(_MOST).decode("utf-8", "replace")
            except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
                # A socket that was shut because time is up makes odd errors.
                late = time.monotonic() >= until
                reason = f"no answer within {self._settings.timeout:g} s" if late else error
                raise SignalError(f"{self._where}: {reason or type(error).__name__}") from error
        return answer.status, answer.headers.get("Location", ""), text


def sign(key: bytes, identity: str, when: int, body: bytes) -> dict[str, str]:
    """Give the three headers of a signed request.

    Args:
        key: that sender and receiver share.
        identity: of the message.
        when: seconds since 1970 in UTC.
        body: of the request.
    """
    content = f"{identity}.{when}.".encode("ascii") + body
    digest = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode("ascii")
    return {"webhook-id": identity, "webhook-timestamp": str(when), "webhook-signature": f"v1,{digest}"}


def _key(secret: str) -> bytes:
    try:
        encoded = secret.startswith(_PREFIX)
        key = base64.b64decode(secret[len(_PREFIX) :], validate=True) if encoded else secret.encode()
    except binascii.Error as error:
        raise SettingsError(f"secret: what follows {_PREFIX} is not base64") from error
    if len(key) < _SHORTEST:
        raise SettingsError(f"secret: the key has {len(key)} bytes and needs {_SHORTEST} or more")
    return key
