"""Wrong passwords: slowed down for each user, for each address, and for both together."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

LONGEST = 60.0
"""Seconds at most that somebody has to wait."""

FORGIVEN = 900.0
"""Seconds after which wrong passwords are forgotten."""

FREE_PAIR, FREE_USER, FREE_ADDRESS = 5, 20, 20
"""Wrong passwords for a user from one address, for a user from all, and from an address for all users, before
the next ones have to wait."""

_REMEMBERED = 4096


def pause(failures: int, free: int) -> float:
    """Give the seconds after a failure until the next try: 4, 8, 16 up to 60.

    Args:
        failures: in a row.
        free: of them that cost nothing.
    """
    return min(LONGEST, 2.0 ** min(failures - free + 2, 10)) if failures >= free else 0.0


class Backoff:
    """Counts failures by a name, and says how long the next try has to wait.

    Args:
        free: failures in a row that cost nothing.
        clock: gives seconds.
    """

    def __init__(self, free: int, clock: Callable[[], float]) -> None:
        self._free, self._clock = free, clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, name: str) -> float:
        """Give the seconds to wait; 0 for none."""
        count, last = self._failures.get(name, (0, -math.inf))
        if self._clock() - last > FORGIVEN:
            return 0.0
        return max(0.0, last + pause(count, self._free) - self._clock())

    def failed(self, name: str) -> None:
        """Count a failure."""
        count, last = self._failures.pop(name, (0, -math.inf))
        count = 0 if self._clock() - last > FORGIVEN else count
        self._failures[name] = min(count + 1, 2**20), self._clock()
        if len(self._failures) > _REMEMBERED:
            self._failures.popitem(last=False)

    def take_back(self, name: str) -> None:
        """Forget the last failure of a name: it was none."""
        count, last = self._failures.get(name, (0, -math.inf))
        if count:
            self._failures[name] = count - 1, last

    def forget(self, name: str) -> None:
        """Forget the failures of a name."""
        self._failures.pop(name, None)


class Attempts:
    """Who may try a password now.

    A user who has signed in from an address before is heard from there, whatever others try elsewhere:
    nobody can lock a user out by guessing. An unknown name is treated as that of a user.

    Args:
        clock: gives seconds; for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._pairs = Backoff(FREE_PAIR, clock)
        self._users = Backoff(FREE_USER, clock)
        self._addresses = Backoff(FREE_ADDRESS, clock)
        self._known: OrderedDict[str, None] = OrderedDict()

    def begin(self, user: str, address: str) -> int:
        """Ask for a try, which counts as failed until `right` is called: many at once gain nothing.

        Args:
            user: name as it is compared.
            address: of the client.

        Returns:
            Seconds to wait; 0 where the password may be looked at now.
        """
        network = network_of(address)
        pair = f"{network} {user}"
        with self._lock:
            waits = [self._pairs.wait(pair)]
            if pair not in self._known:
                waits += [self._users.wait(user), self._addresses.wait(network)]
            if max(waits) > 0:
                return math.ceil(round(max(waits), 3))
            self._pairs.failed(pair)
            self._users.failed(user)
            self._addresses.failed(network)
            return 0

    def right(self, user: str, address: str) -> None:
        """Note that the password was right.

        What others failed from this address stays: whoever knows one password must not guess the next at
        will.
        """
        network = network_of(address)
        pair = f"{network} {user}"
        with self._lock:
            self._pairs.forget(pair)
            self._users.take_back(user)
            self._addresses.take_back(network)
            self._known[pair] = None
            self._known.move_to_end(pair)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)


def network_of(address: str) -> str:
    """Give what one person can easily change within: of IPv6 the first half."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    return str(found) if found.version == 4 else str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
