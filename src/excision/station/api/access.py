"""Who may come in: the key, the sessions that it opened, and those who guess it."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from excision.station.api.guesses import Guesses
from excision.station.api.metrics import Metrics
from excision.station.api.sessions import Sessions
from excision.system.keys import Key

KEY_HEADER, COOKIE = "x-api-key", "excision_session"
"""Where the key may stand, beside `Authorization: Bearer`; the cookie holds a session of the pages."""


class Refused(Exception):  # noqa: N818  an answer to a client, not an error of this program
    """Somebody may not come in.

    Attributes:
        wait: seconds until another key is looked at; 0 where one may be tried now.
    """

    def __init__(self, wait: int) -> None:
        super().__init__(f"too many wrong keys: try again in {wait} seconds" if wait else "the key is wrong")
        self.wait = wait


class Access:
    """The door of a service.

    Args:
        key: that opens it; None leaves it open.
        metrics: counts wrong keys.
    """

    def __init__(self, key: str | None, metrics: Metrics) -> None:
        self._key = None if key is None else Key(key)
        self._metrics = metrics
        self.sessions = Sessions()
        self.guesses = Guesses()

    @property
    def is_open(self) -> bool:
        """Tell whether no key is asked for."""
        return self._key is None

    def admits(self, headers: Headers, address: str) -> bool:
        """Tell whether a request shows a session or the key.

        Raises:
            Refused: it shows a wrong key, or the address has to wait.
        """
        if self._key is None or self.sessions.knows(session_of(headers)):
            return True
        shown = _shown(headers)
        if shown:
            self.prove(shown, address, "interface")
        return bool(shown)

    def _is_shown(self, shown: list[bytes]) -> bool:
        found = [self._key is not None and self._key.is_shown(each) for each in shown]
        return any(found)

    def prove(self, shown: list[bytes], address: str, where: str) -> None:
        """Compare a key.

        Args:
            shown: what was shown; one of them must be the key.
            address: of the client.
            where: it was shown: "interface" or "login".

        Raises:
            Refused: it is wrong, or the address has to wait before another is looked at.
        """
        wait = self.guesses.wait(address)
        if self._key is None:
            return
        if wait == 0 and self._is_shown(shown):
            self.guesses.right(address)
            return
        self._metrics.wrong_key(where)
        penalty = wait or self.guesses.penalty(address)
        if wait == 0:
            # A program that keeps an old key shows the same one for ever: it does not guess.
            self.guesses.wrong(address, where, b"\0".join(shown) if where == "interface" else None)
        raise Refused(penalty)


def session_of(headers: Headers) -> str:
    """Give the session in the cookie of a request, or nothing."""
    return cookie_parser(headers.get("cookie", "")).get(COOKIE, "")


def _shown(headers: Headers) -> list[bytes]:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    found = [headers.get(KEY_HEADER, ""), token if scheme.lower() == "bearer" else ""]
    return [text.encode("latin-1") for text in found if text.strip()]
