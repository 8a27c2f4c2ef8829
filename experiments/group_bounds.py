"""Rules for images in groups: how sharp their upper limits of a rate are, and whether one of them ever fails.

    python experiments/group_bounds.py [--draws 2000] [--search 1000]

Of each group, the share of images above a threshold is seen: a value in [0, 1]. The mean of the distribution
that these shares are drawn from is the rate. The first table gives, for each rule and several distributions,
the share of draws in which the upper limit (confidence 90 %) is below the true rate, and the mean limit:

- one image: one image of each group, drawn at random, with the exact binomial limit (Clopper, Pearson, 1934);
- Stringer: the bound that `excision.method.calibration.rates` uses (Bickel, 1992);
- Hoeffding-Bentkus: Bates, Angelopoulos, Lei, Malik, Jordan, "Distribution-free, risk-controlling prediction
  sets", 2021, section 3;
- betting: Waudby-Smith, Ramdas, "Estimating means of bounded random variables by betting", 2023.

Stringer's bound is proved only for values 0 and 1, and for many groups (Pap, van Zuijlen, "On the asymptotic
behaviour of the Stringer bound", 1996, for confidences of at least 50 %). So the second table is the result
of a search, with exact probabilities, for the distributions on two and three values on which it fails most.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import gammaln

from excision.method.calibration.limits import upper_limit, upper_limits
from excision.method.calibration.rates import upper_rate

FloatArray = NDArray[np.float64]
Rule = Callable[[FloatArray, float, np.random.Generator], float]

LEVEL = 0.1
_STEPS = 60


def one_image(shares: FloatArray, level: float, rng: np.random.Generator) -> float:
    """Limit from one random image of each group."""
    return upper_limit(int((rng.random(len(shares)) < shares).sum()), len(shares), level)


def stringer(shares: FloatArray, level: float, _rng: np.random.Generator) -> float:
    """Limit of Stringer."""
    return upper_rate(shares, np.full(len(shares), 2), level)


def hoeffding_bentkus(shares: FloatArray, level: float, _rng: np.random.Generator) -> float:
    """Limit of Hoeffding and Bentkus."""
    count, mean = len(shares), float(shares.mean())

    def p_value(rate: float) -> float:
        low = min(mean, rate)
        exponent = 0.0 if low == 0 else low * np.log(low / rate)
        exponent += (1 - low) * np.log((1 - low) / (1 - rate)) if low < 1 else 0.0
        bentkus = np.e * stats.binom.cdf(np.ceil(count * mean), count, rate)
        return float(min(np.exp(-count * exponent), bentkus))

    return _largest_kept(p_value, level)


def betting(shares: FloatArray, level: float, rng: np.random.Generator) -> float:
    """Limit of Waudby-Smith and Ramdas, with the shares in random order."""
    x = rng.permutation(shares)
    past = np.arange(1, len(x) + 1)
    mean = (0.5 + np.cumsum(x)) / (past + 1)
    spread = (0.25 + np.cumsum((x - mean) ** 2)) / (past + 1)
    before = np.concatenate([[0.25], spread[:-1]])
    bets = np.sqrt(2 * np.log(1 / level) / (len(x) * before))

    def p_value(rate: float) -> float:
        capital = np.cumsum(np.log1p(np.minimum(bets, 0.999 / (1 - rate)) * (rate - x)))
        return float(np.exp(-max(0.0, capital.max())))

    return _largest_kept(p_value, level)


def _largest_kept(p_value: Callable[[float], float], level: float) -> float:
    low, high = 0.0, 1 - 1e-12
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if p_value(middle) > level else (low, middle)
    return high


RULES: dict[str, Rule] = {
    "one image": one_image,
    "Stringer": stringer,
    "Hoeffding-Bentkus": hoeffding_bentkus,
    "betting": betting,
}


def draw(kind: str, groups: int, rng: np.random.Generator) -> tuple[FloatArray, float]:
    """Draw the shares of groups of 20 images from a distribution with a mean of 3 %, and give it too."""
    if kind == "alike":
        return (rng.random(groups) < 0.03).astype(np.float64), 0.03
    if kind == "independent":
        return rng.binomial(20, 0.03, groups) / 20, 0.03
    # Some groups are bad, such as soiled strips: a third of their images are above the threshold.
    return rng.binomial(20, np.where(rng.random(groups) < 0.09, 1 / 3, 0.0)) / 20, 0.03


def compare(kind: str, groups: int, draws: int, seed: int = 0) -> dict[str, tuple[float, float]]:
    """Give, for each rule, the share of draws in which it fails, and its mean limit."""
    rng = np.random.default_rng(seed)
    limits: dict[str, list[float]] = {name: [] for name in RULES}
    for _ in range(draws):
        shares, mean = draw(kind, groups, rng)
        for name, rule in RULES.items():
            limits[name].append(rule(shares, LEVEL, rng))
    return {name: (float(np.mean(np.array(x) < mean)), float(np.mean(x))) for name, x in limits.items()}


def worst_failure(groups: int, level: float, trials: int, seed: int = 0) -> float:
    """Search for the distribution on which Stringer's bound fails most often; give that probability."""
    rng, limits = np.random.default_rng(seed), upper_limits(groups, level)
    worst = 0.0
    for values in (2, 3):
        counts = np.array(list(_compositions(groups, values)))
        log_ways = gammaln(groups + 1) - gammaln(counts + 1).sum(axis=1)

        def failing(
            x: FloatArray, p: FloatArray, counts: NDArray[np.int64] = counts, ways: FloatArray = log_ways
        ) -> float:
            order = np.argsort(-x)
            x, p = x[order], p[order]
            edges = np.concatenate([np.zeros((len(counts), 1), np.int64), np.cumsum(counts, axis=1)], axis=1)
            bound = limits[0] + (limits[edges[:, 1:]] - limits[edges[:, :-1]]) @ x
            chance = np.exp(ways + counts @ np.log(np.maximum(p, 1e-300)))
            return float(chance[bound < x @ p - 1e-12].sum())

        for _ in range(trials):
            x, p = rng.random(values), rng.dirichlet(np.full(values, rng.choice([0.2, 1.0, 5.0])))
            x[0] = rng.choice([0.0, 1.0, x[0]])
            found = failing(x, p)
            if found > 0.5 * worst:
                found = _climb(failing, x, p, found, rng)
            worst = max(worst, found)
    return worst


def _climb(
    failing: Callable[[FloatArray, FloatArray], float],
    x: FloatArray,
    p: FloatArray,
    found: float,
    rng: np.random.Generator,
) -> float:
    """Change a distribution by chance as long as the bound does not fail less often."""
    step = 0.1
    for _ in range(_STEPS):
        other = np.clip(x + step * rng.normal(size=len(x)), 0, 1)
        chance = np.abs(p + step * rng.normal(size=len(p)))
        chance /= chance.sum()
        value = failing(other, chance)
        if value >= found:
            found, x, p = value, other, chance
        else:
            step *= 0.95
    return found


def _compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _compositions(total - first, parts - 1):
            yield (first, *rest)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--search", type=int, default=1000)
    arguments = parser.parse_args()
    print(f"| shares | groups | {' | '.join(RULES)} |\n| --- | --- {'| --- ' * len(RULES)}|")
    for kind in ("alike", "independent", "a few bad groups"):
        for groups in (14, 50, 200, 1000):
            found = compare(kind, groups, arguments.draws)
            cells = [f"{failed:.1%} / {limit:.2%}" for failed, limit in found.values()]
            print(f"| {kind} | {groups} | {' | '.join(cells)} |", flush=True)
    print("\n| groups | may fail | fails at worst |\n| --- | --- | --- |")
    for groups in (2, 3, 5, 8, 14, 20, 30):
        for level in (0.5, 0.1, 0.05, 0.005):
            worst = worst_failure(groups, level, arguments.search)
            print(f"| {groups} | {level:.1%} | {worst:.2%} |", flush=True)


if __name__ == "__main__":
    main()
