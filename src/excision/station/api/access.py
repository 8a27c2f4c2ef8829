"""Who may come in: users who signed in, the key, the sessions that it opened, and those who guess it."""

from __future__ import annotations

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from excision.station.api.guesses import Guesses
from excision.station.api.metrics import Metrics
from excision.station.api.sessions import IDLE, Sessions
from excision.station.people.people import People, person_from
from excision.station.people.roles import EVERYBODY, PROGRAM, Person, Role
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
        people: of the station; None where there are none, as at a hub.
    """

    def __init__(self, key: str | None, metrics: Metrics, people: People | None = None) -> None:
        self._key = None if key is None else Key(key)
        self._metrics = metrics
        self.people = people
        self.sessions = Sessions(idle=IDLE if people is None else people.settings.idle)
        self.guesses = Guesses()
        self._reading = CapacityLimiter(1)

    @property
    def has_users(self) -> bool:
        """Tell whether people sign in with a name and a password of their own."""
        return self.people is not None and self.people.are_set_up

    @property
    def is_open(self) -> bool:
        """Tell whether nothing is asked for."""
        return self._key is None and not self.has_users

    async def refresh(self) -> None:
        """See who is set up now, at most once a second."""
        if self.people is not None and self.people.is_stale and not self._reading.borrowed_tokens:
            await run_sync(self.people.refresh, limiter=self._reading)

    def person(self, headers: Headers, address: str) -> Person | None:
        """Give the person behind a request; None where it shows neither a session nor the key.

        Raises:
            Refused: it shows a wrong key, or the address has to wait.
        """
        if self.is_open:
            return EVERYBODY
        signed_in = self.signed_in(headers)
        if signed_in is not None:
            return signed_in
        shown = _shown(headers)
        if not shown or self._key is None:
            return None
        self.prove(shown, address, "interface")
        if self.people is not None and self.people.are_set_up:
            return Person(PROGRAM, Role(self.people.settings.key_role))
        return EVERYBODY

    def signed_in(self, headers: Headers) -> Person | None:
        """Give the person whose session a request shows, with the role of this moment, or None."""
        token = session_of(headers)
        session = self.sessions.find(token) if token else None
        if session is None:
            return None
        if self.people is None or not self.people.are_set_up:
            return EVERYBODY
        if session.person is None or session.person.user is None:
            # A session that the key opened before there were users is nobody's.
            return session.person
        user = self.people.user(session.person.user, session.generation)
        if user is None:
            self.sessions.end(token)
            return None
        return person_from(user)

    def admits(self, headers: Headers, address: str) -> bool:
        """Tell whether a request shows a session or the key.

        Raises:
            Refused: it shows a wrong key, or the address has to wait.
        """
        return self.person(headers, address) is not None

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
