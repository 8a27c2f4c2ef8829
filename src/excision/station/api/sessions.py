"""Sessions of browsers: a random number in a cookie, known to this process alone."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

IDLE = 12 * 3600.0
"""Seconds without a request after which a session ends."""

LONGEST = 30 * 86400.0
"""Seconds after which a session ends in any case."""

_MOST = 1000  # sessions at once; the one that was idle longest ends


@dataclass(slots=True)
class _Session:
    begun: float
    seen: float


class Sessions:
    """All sessions of a service, in memory: they end when it ends, and so with every change of its key.

    Args:
        clock: gives seconds; for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()

    def begin(self) -> str:
        """Begin a session; gives what the cookie holds."""
        token, now = secrets.token_urlsafe(32), self._clock()
        with self._lock:
            self._sessions[_digest(token)] = _Session(now, now)
            if len(self._sessions) > _MOST:
                self._sessions.popitem(last=False)
        return token

    def knows(self, token: str) -> bool:
        """Tell whether a session is open, and keep it open."""
        digest, now = _digest(token), self._clock()
        with self._lock:
            session = self._sessions.get(digest)
            if session is None:
                return False
            if now - session.seen > IDLE or now - session.begun > LONGEST:
                del self._sessions[digest]
                return False
            session.seen = now
            self._sessions.move_to_end(digest)
            return True

    def end(self, token: str) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(_digest(token), None)


def _digest(token: str) -> bytes:
    # Looked up by its digest, a token cannot be found out by the time that comparing it takes.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
