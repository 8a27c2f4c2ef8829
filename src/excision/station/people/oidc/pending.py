"""A sign-in that has begun: all of it is in a cookie of the browser, and nothing on the station.

So nobody can fill the station with sign-ins that never end. The cookie holds a random number, the time and
the page to go to, with an HMAC by a key of this process. State, nonce and PKCE's code verifier are made from
the random number by the same key: none can be found out from another, and whoever has not the cookie cannot
end the sign-in.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

LONGEST = 600.0
"""Seconds that a person may take at the provider."""

_MOST_DONE = 10_000


@dataclass(frozen=True, slots=True)
class Pending:
    """One sign-in.

    Attributes:
        cookie: what the browser keeps.
        to: page to go to afterwards.
        state: that the provider gives back.
        nonce: that the identity token repeats.
        verifier: that proves who asked for the code.
    """

    cookie: str
    to: str
    state: str
    nonce: str
    verifier: str


class Sealing:
    """Begins sign-ins and knows them again, each once.

    Args:
        clock: gives seconds; for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._key, self._clock = secrets.token_bytes(32), clock
        self._lock = threading.Lock()
        self._done: OrderedDict[str, float] = OrderedDict()

    def begin(self, to: str) -> Pending:
        """Begin a sign-in that leads to a page."""
        when = f"{self._clock():.3f}"
        seed = secrets.token_urlsafe(32)
        place = base64.urlsafe_b64encode(to.encode("utf-8", "surrogatepass")).decode()
        content = f"{seed}~{when}~{place}"
        return self._pending(f"{content}~{self._made('cookie', content)}", seed, to)

    def recognise(self, cookie: str, state: str) -> Pending | None:
        """Give the sign-in of a cookie; None where it is not this one, is over, or took too long."""
        content, _, seal = cookie.rpartition("~")
        if not _same(seal, self._made("cookie", content)):
            return None
        seed, when, place = content.split("~")
        if not 0 <= self._clock() - float(when) <= LONGEST:
            return None
        to = base64.urlsafe_b64decode(place).decode("utf-8", "surrogatepass")
        pending = self._pending(cookie, seed, to)
        return pending if _same(state, pending.state) and self._first(seed) else None

    def _first(self, seed: str) -> bool:
        with self._lock:
            if seed in self._done:
                return False
            self._done[seed] = self._clock()
            while len(self._done) > _MOST_DONE:
                self._done.popitem(last=False)
            return True

    def _pending(self, cookie: str, seed: str, to: str) -> Pending:
        made = [self._made(what, seed) for what in ("state", "nonce", "verifier")]
        return Pending(cookie, to, *made)

    def _made(self, what: str, content: str) -> str:
        text = f"{what}:{content}".encode("utf-8", "surrogatepass")
        digest = hmac.new(self._key, text, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())
