"""Where a value stands among those before it: conformal ranks with bounded memory."""

from __future__ import annotations

import hashlib
from bisect import bisect, insort
from collections.abc import Mapping
from typing import Any, Self

from excision.inspection.drift.stored import need, need_count, need_counts, need_numbers

MOST_EDGES = 100
"""Values that are kept; later ones are only counted between them."""


class ConformalRanks:
    """Ranks of exchangeable values, one after another, each among all before it.

    While values are exchangeable, the smoothed ranks that `place` returns are independent and uniform on
    (0, 1): Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005, theorem 8.2. This holds
    although the reference is finite, because each value joins it: whoever compares with a fixed reference
    finds drift in the end, because that reference is never quite the truth.

    Memory is bounded: the first `MOST_EDGES` values divide the line into intervals, and further ones are
    counted in them. Given those before, a value falls into an interval in proportion to one more than its
    count, so the rank stays exact (Blackwell, MacQueen, "Ferguson Distributions via Polya Urn Schemes",
    1973), only coarser. Ties are broken at random, by a hash of the name and the number of the value, so the
    same values give the same ranks.

    Args:
        name: under which the random numbers are drawn.
        drawn: how many were drawn under this name before.

    Attributes:
        seen: number of values.
    """

    def __init__(self, name: str, drawn: int = 0) -> None:
        self.name = name
        self.drawn = drawn
        self.seen = 0
        self._edges: list[tuple[float, float]] = []
        self._counts = [0]

    def place(self, value: float) -> float:
        """Add a finite value and return its smoothed rank among all so far, in (0, 1)."""
        tie, within = _two_uniforms(f"{self.name} {self.drawn}")
        entry = (value, tie)
        at = bisect(self._edges, entry)
        below = at + sum(self._counts[:at])
        rank = (below + within * (1 + self._counts[at])) / (self.seen + 1)
        self.seen += 1
        self.drawn += 1
        if len(self._edges) < MOST_EDGES:
            insort(self._edges, entry)
            self._counts.append(0)
        else:
            self._counts[at] += 1
        return rank

    def quantile(self, share: float) -> float:
        """Return the value below which about this share of all values lie; needs at least one value."""
        wanted, below = share * self.seen, 0
        for (value, _), count in zip(self._edges, self._counts, strict=False):
            below += 1 + count
            if below >= wanted:
                return value
        return self._edges[-1][0]

    def state(self) -> dict[str, Any]:
        """Return what `restored` needs, ready for JSON."""
        return {
            "seen": self.seen,
            "drawn": self.drawn,
            "edges": [value for value, _ in self._edges],
            "ties": [tie for _, tie in self._edges],
            "counts": self._counts if any(self._counts) else [],
        }

    @classmethod
    def restored(cls, name: str, state: Mapping[str, Any]) -> Self:
        """Continue where a state was taken.

        Raises:
            ResultsError: this is no such state.
        """
        ranks = cls(name, need_count(state, "drawn"))
        edges = need_numbers(state, "edges", most=MOST_EDGES)
        ties = need_numbers(state, "ties", most=MOST_EDGES)
        need(len(edges) == len(ties), "edges")
        ranks._edges = list(zip(edges, ties, strict=True))
        need(ranks._edges == sorted(ranks._edges), "edges")
        ranks._counts = need_counts(state, "counts", most=MOST_EDGES + 1) or [0] * (len(edges) + 1)
        ranks.seen = len(edges) + sum(ranks._counts)
        need(len(ranks._counts) == len(edges) + 1 and state.get("seen") == ranks.seen, "counts")
        return ranks


def _two_uniforms(key: str) -> tuple[float, float]:
    """Return two numbers in (0, 1) that are as good as random."""
    digest = hashlib.blake2b(key.encode(), digest_size=16).digest()
    first, second = (int.from_bytes(part, "big") >> 12 for part in (digest[:8], digest[8:]))
    return (first + 0.5) / 2**52, (second + 0.5) / 2**52
