"""Bets against the ranks being uniform, summed over every time at which drift may have begun."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal, Self

from excision.inspection.drift.stored import need, need_counts, need_numbers

Direction = Literal["higher", "lower", "more scattered"]

# Mean of the normal score after a shift, and after none but a doubled deviation (the last bet).
_SHIFTS = (0.5, 1.0, 2.0, -0.5, -1.0, -2.0)
_SPREAD = 2.0
DIRECTIONS: tuple[Direction, ...] = ("higher",) * 3 + ("lower",) * 3 + ("more scattered",)

# No sum grows beyond this, so that it stays a number; stopping earlier is on the safe side.
_LARGEST = 1e100

_NORMAL = NormalDist()


def normal_score(rank: float) -> float:
    """Return the standard normal quantile of a rank in (0, 1)."""
    return _NORMAL.inv_cdf(min(max(rank, 1e-12), 1 - 1e-12))


def _gains(score: float) -> list[float]:
    """Return the logarithm of what each bet pays at a normal score; each pays 1 on average without drift.

    The likelihood ratio of N(shift, 1), or of N(0, spread^2), to N(0, 1).
    """
    shifted = [shift * score - shift * shift / 2 for shift in _SHIFTS]
    return [*shifted, score * score * (1 - 1 / _SPREAD**2) / 2 - math.log(_SPREAD)]


@dataclass(frozen=True, slots=True)
class Lead:
    """The bet that has won most.

    Attributes:
        evidence: its Shiryaev-Roberts sum, in parts.
        direction: what it bets on.
        since: estimated change point: number of the part at which the likeliest streak of bets in this
            direction began.
    """

    evidence: float
    direction: Direction
    since: int


class Bets:
    """The Shiryaev-Roberts sums of all bets on one sequence of ranks.

    The sum of a bet is R <- (R + parts of the block) * what the bet pays. Without drift, each payment is 1 on
    average given the past, so R minus the number of parts so far is a martingale, and so is every average of
    such sums: when the average first reaches A, at least A parts have passed on average (Shiryaev 1963;
    Pollak 1985; for conformal ranks: Vovk, "Testing randomness online", Statistical Science 36, 2021,
    section 5; for averages: Shin, Ramdas, Rinaldo, "E-detectors", 2022). By Doob's inequality, the
    probability that it reaches A within n parts is at most n / A.

    Beside each sum stands the CUSUM of the same bet (Page, "Continuous inspection schemes", Biometrika 41,
    1954), whose last start is the maximum-likelihood estimate of the time of the change.
    """

    def __init__(self) -> None:
        self.sums = [0.0] * len(DIRECTIONS)
        self._cusums = [0.0] * len(DIRECTIONS)
        self._since = [0] * len(DIRECTIONS)

    @property
    def total(self) -> float:
        """Return the average of the sums, in parts."""
        return sum(self.sums) / len(self.sums)

    def lead(self) -> Lead:
        """Return the bet that has won most."""
        best = max(range(len(self.sums)), key=self.sums.__getitem__)
        same = [number for number, direction in enumerate(DIRECTIONS) if direction == DIRECTIONS[best]]
        likeliest = max(same, key=self._cusums.__getitem__)
        return Lead(self.sums[best], DIRECTIONS[best], self._since[likeliest])

    def bet(self, score: float, start: int, parts: int) -> None:
        """Let a block count.

        Args:
            score: normal score of its rank.
            start: number of its first part.
            parts: how many it has.
        """
        for number, gain in enumerate(_gains(score)):
            self.sums[number] = min((self.sums[number] + parts) * math.exp(gain), _LARGEST)
            if self._cusums[number] <= 0:
                self._cusums[number], self._since[number] = 0.0, start
            self._cusums[number] += gain

    def state(self) -> dict[str, Any]:
        """Return what `restored` needs, ready for JSON."""
        return {"sums": list(self.sums), "cusums": list(self._cusums), "since": list(self._since)}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Self:
        """Continue where a state was taken.

        Raises:
            ResultsError: this is no such state.
        """
        bets = cls()
        number = len(DIRECTIONS)
        bets.sums = need_numbers(state, "sums", number)
        bets._cusums = need_numbers(state, "cusums", number)
        bets._since = need_counts(state, "since", number)
        need(len(bets.sums) == len(bets._cusums) == len(bets._since) == number, "sums")
        need(min(bets.sums) >= 0, "sums")
        return bets
