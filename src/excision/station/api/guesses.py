"""Wrong keys: counted for each address and in total, and slowed down."""

from __future__ import annotations

import hashlib
import logging
import math
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from excision.station.people.attempts import FORGIVEN, network_of, pause

_LOG = logging.getLogger(__name__)

FREE = 5
"""Wrong keys of an address in a row before it has to wait."""

TOTAL, WINDOW = 100, 60.0
"""Wrong keys of all addresses in so many seconds; beyond, whoever never showed the right one has to wait."""

_ADDRESSES = 4096  # that are remembered; the oldest is forgotten


@dataclass(slots=True)
class _Record:
    wrong: int = 0
    last: float = -math.inf
    shown: deque[bytes] = field(default_factory=lambda: deque(maxlen=FREE))


class Guesses:
    """Who has shown wrong keys, and for how long nobody looks at another one.

    An address that has shown the right key before is heard all the same: nobody can lock it out by guessing
    from there, or from everywhere.

    Args:
        clock: gives seconds; for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._known: OrderedDict[str, None] = OrderedDict()
        self._recent: deque[float] = deque(maxlen=TOTAL)
        self._salt = secrets.token_bytes(16)

    def wait(self, address: str) -> int:
        """Give the seconds until a key from an address is looked at again; 0 for now."""
        return 0 if network_of(address) in self._known else self.penalty(address)

    def penalty(self, address: str) -> int:
        """Give the seconds for which wrong keys from an address are answered with a request to wait."""
        now = self._clock()
        until = self._own(network_of(address))
        if len(self._recent) == TOTAL:
            until = max(until, self._recent[0] + WINDOW)
        return math.ceil(max(0.0, round(until - now, 3)))

    def _own(self, network: str) -> float:
        record = self._records.get(network)
        if record is None or record.wrong < FREE:
            return -math.inf
        return record.last + pause(record.wrong, FREE)

    def wrong(self, address: str, where: str, shown: bytes | None = None) -> None:
        """Count a wrong key.

        Args:
            address: it came from.
            where: "interface" or "login", for the log.
            shown: the key, where one that an address repeats counts only once; only a digest is kept.
        """
        now, network = self._clock(), network_of(address)
        waits = self._own(network) > now
        record = self._records.pop(network, _Record())
        self._records[network] = record
        if len(self._records) > _ADDRESSES:
            self._records.popitem(last=False)
        if now - record.last > FORGIVEN:
            record.wrong = 0
        if shown is not None:
            digest = hashlib.blake2b(shown, key=self._salt, digest_size=8).digest()
            if digest in record.shown:
                return
            record.shown.append(digest)
        record.wrong, record.last = min(record.wrong + 1, 2**20), now
        if not waits:
            # One address that goes on regardless must not make all the others wait.
            self._recent.append(now)
        if record.wrong <= FREE or record.wrong & (record.wrong - 1) == 0:
            # From then on only at powers of two: a log must not grow with every guess.
            _LOG.warning("wrong key from %s (%s), number %d in a row", address, where, record.wrong)

    def right(self, address: str) -> None:
        """Remember that an address has shown the right key."""
        network = network_of(address)
        self._records.pop(network, None)
        self._known[network] = None
        self._known.move_to_end(network)
        if len(self._known) > _ADDRESSES:
            self._known.popitem(last=False)
