"""Sessions of browsers: a random number in a cookie, known to this process alone."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from excision.station.people.roles import Person

IDLE = 12 * 3600.0
"""Seconds without a request after which a session ends."""

LONGEST = 30 * 86400.0
"""Seconds after which a session ends in any case."""

_MOST = 1000  # sessions at once; the one that was idle longest ends


@dataclass(slots=True)
class Session:
    """What a browser showed when it signed in.

    Attributes:
        begun: when, in seconds of a clock of this process.
        seen: when it was last used.
        person: who signed in; None for whoever showed the key.
        generation: of the user at that time.
        longest: seconds after which it ends in any case.
    """

    begun: float
    seen: float
    person: Person | None = None
    generation: int = 0
    longest: float = LONGEST


class Sessions:
    """All sessions of a service, in memory: they end when it ends, and so with every change of its key.

    Args:
        clock: gives seconds; for tests.
        idle: seconds without a request after which a session ends.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, idle: float = IDLE) -> None:
        self._clock, self._idle = clock, idle
        self._lock = threading.Lock()
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()

    def begin(self, person: Person | None = None, generation: int = 0, longest: float = LONGEST) -> str:
        """Begin a session; gives what the cookie holds.

        Args:
            person: who signed in; None for whoever showed the key.
            generation: of the user.
            longest: seconds after which it ends in any case.
        """
        token, now = secrets.token_urlsafe(32), self._clock()
        with self._lock:
            self._sessions[_digest(token)] = Session(now, now, person, generation, longest)
            if len(self._sessions) > _MOST:
                self._sessions.popitem(last=False)
        return token

    def knows(self, token: str) -> bool:
        """Tell whether a session is open, and keep it open."""
        return self.find(token) is not None

    def find(self, token: str) -> Session | None:
        """Give a session that is open, and keep it open; None where there is none."""
        digest, now = _digest(token), self._clock()
        with self._lock:
            session = self._sessions.get(digest)
            if session is None:
                return None
            if now - session.seen > self._idle or now - session.begun > session.longest:
                del self._sessions[digest]
                return None
            session.seen = now
            self._sessions.move_to_end(digest)
            return session

    def end(self, token: str) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(_digest(token), None)


def _digest(token: str) -> bytes:
    # Looked up by its digest, a token cannot be found out by the time that comparing it takes.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
