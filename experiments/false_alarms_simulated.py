"""False alarms by simulation: how often a threshold fails to keep its promise, and what the promise costs.

    python experiments/false_alarms_simulated.py [--draws 1000] [--json FILE]

Scores of good images are drawn in groups, a threshold is calibrated on them, and its true false-alarm rate is
computed from the distribution that they were drawn from. The normal score of an image is
sqrt(c) (that of its group) + sqrt(1 - c) (its own), where c is the correlation within groups: 0 for
independent images, 1 for groups whose images are all alike. It is mapped to a tail: uniform (light),
exponential, log-normal (heavy), Pareto with shape 1.5 (very heavy), and exponential with 3 % of groups that
score 10 more (soiled strips). Group sizes are equal, or from 1 to 30 and larger where scores are higher.

For each case it prints the share of calibrations whose true rate is larger than promised, counted over images
and over groups; the mean promise and the mean true rate, whose difference is what is given up; and the share
of calibrations that failed with the usual conformal threshold, which takes every image as independent and
promises an average. At the end, the most failures of a case stand beside what a confidence of 90 % allows
(99.9 % limit of the binomial).
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from excision.method.calibration import calibrate

FloatArray = NDArray[np.float64]

CONFIDENCE = 0.9
TAILS = ("uniform", "exponential", "log-normal", "Pareto", "soiled")
_SOILED, _SHIFT = 0.03, 10.0
_GRID = 20_001
_LARGEST = 30


@dataclass(frozen=True)
class Case:
    """What is drawn: `images` in groups of `size`, 0 for unequal groups, and the rate that is wanted."""

    images: int
    size: int
    correlation: float
    tail: str
    rate: float


@dataclass(frozen=True)
class Outcome:
    """What became of the calibrations of a case.

    Attributes:
        draws: number of calibrations.
        allowed: most failures that agree with the promise.
        failed_images: calibrations whose true rate, counted over images, exceeds the promise.
        failed_groups: the same, counted over groups.
        promised: mean promised rate.
        true: mean true rate, over images.
        passed_over: calibrations in which an odd image was passed over.
        failed_before: failures of the average promise with every image a group of its own.
    """

    draws: int
    allowed: int
    failed_images: int
    failed_groups: int
    promised: float
    true: float
    passed_over: int
    failed_before: int


class World:
    """The distribution of scores and sizes of a case.

    Args:
        case: which.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        # The part of a score that a group shares, on a grid of equally probable values.
        self._shared = stats.norm.ppf((np.arange(_GRID) + 0.5) / _GRID)
        self._sizes = self._size_of(self._shared).astype(np.float64)

    def _size_of(self, shared: FloatArray) -> NDArray[np.int64]:
        if self.case.size:
            return np.full(shared.shape, self.case.size)
        sizes: FloatArray = np.ceil(_LARGEST * stats.norm.cdf(shared)).clip(1, _LARGEST)
        return sizes.astype(np.int64)

    def draw(self, rng: np.random.Generator) -> tuple[FloatArray, NDArray[np.int64]]:
        """Draw the scores of about as many images as wanted, and the group of each."""
        mean = self.case.size or (_LARGEST + 1) / 2
        count = max(2, round(self.case.images / mean))
        shared = rng.normal(size=count)
        groups = np.repeat(np.arange(count), self._size_of(shared))
        c = self.case.correlation
        normal = np.sqrt(c) * shared[groups] + np.sqrt(1 - c) * rng.normal(size=len(groups))
        soiled = rng.random(count) < _SOILED
        shift = _SHIFT * soiled[groups] if self.case.tail == "soiled" else 0.0
        scores: FloatArray = self._score(normal) + shift
        return scores, groups

    def rates(self, threshold: float) -> tuple[float, float]:
        """Give the true rates above a threshold, over images and over groups."""
        above = self._above(threshold)
        if self.case.tail == "soiled":
            above = (1 - _SOILED) * above + _SOILED * self._above(threshold - _SHIFT)
        return float((above * self._sizes).sum() / self._sizes.sum()), float(above.mean())

    def _above(self, threshold: float) -> FloatArray:
        """Give, for each value of the shared part, the probability that an image scores above a threshold."""
        limit, c = self._normal(threshold), self.case.correlation
        found: FloatArray = np.where(self._shared > limit, 1.0, 0.0)
        if c < 1:
            found = stats.norm.sf((limit - np.sqrt(c) * self._shared) / np.sqrt(1 - c))
        return found

    def _score(self, normal: FloatArray) -> FloatArray:
        upper = stats.norm.sf(normal)
        tails = {
            "uniform": 1 - upper,
            "log-normal": np.exp(normal),
            "Pareto": upper ** (-1 / 1.5),
        }
        found: FloatArray = tails.get(self.case.tail, -np.log(upper))
        return found

    def _normal(self, score: float) -> float:
        tail = self.case.tail
        if tail == "log-normal":
            return float(np.log(score))
        if tail == "uniform":
            upper = 1 - score
        elif tail == "Pareto":
            upper = float(max(score, 1.0) ** -1.5)
        else:
            upper = math.exp(-max(score, 0.0))
        return float(stats.norm.isf(min(upper, 1.0)))


def simulate(case: Case, draws: int, seed: int = 0) -> Outcome:
    """Calibrate on `draws` draws of a case, and count how often the promise was not kept."""
    rng, world = np.random.default_rng(seed), World(case)
    failed = np.zeros(3, np.int64)
    promised, true, passed = [], [], 0
    for _ in range(draws):
        scores, groups = world.draw(rng)
        found = calibrate(scores.tolist(), case.rate, confidence=CONFIDENCE, groups=groups.tolist())
        before = calibrate(scores.tolist(), case.rate, confidence=None)
        over_images, over_groups = world.rates(found.threshold)
        failed += (
            over_images > found.promised_rate + 1e-9,
            over_groups > found.promised_rate + 1e-9,
            world.rates(before.threshold)[0] > before.promised_rate + 1e-9,
        )
        promised.append(found.promised_rate)
        true.append(over_images)
        passed += found.odd is not None and found.odd.passed_over
    return Outcome(
        draws,
        int(stats.binom.ppf(0.999, draws, 1 - CONFIDENCE)),
        int(failed[0]),
        int(failed[1]),
        float(np.mean(promised)),
        float(np.mean(true)),
        passed,
        int(failed[2]),
    )


def cases() -> list[Case]:
    """Give the cases of the study."""
    found = [
        Case(images, size, correlation, "exponential", rate)
        for rate in (0.01, 0.05)
        for images in (20, 50, 100, 200, 500, 1000, 2000)
        for size, correlation in ((1, 0.0), (5, 0.3), (10, 0.3), (10, 1.0), (30, 0.3), (30, 1.0), (0, 0.3))
        if size == 0 or images >= 2 * size
    ]
    found += [
        Case(images, size, correlation, tail, 0.05)
        for tail in TAILS
        if tail != "exponential"
        for images, size, correlation in (
            (20, 1, 0.0),
            (40, 1, 0.0),
            (200, 1, 0.0),
            (200, 5, 0.0),
            (600, 10, 0.7),
            (2000, 0, 0.5),
        )
    ]
    return found


def row(case: Case, found: Outcome) -> str:
    """Write an outcome as a row of a table in Markdown."""
    size = "1 to 30" if case.size == 0 else str(case.size)
    cells = [
        case.tail,
        str(case.images),
        size,
        f"{case.correlation:g}",
        f"{case.rate:.0%}",
        f"{found.failed_images / found.draws:.1%}",
        f"{found.failed_groups / found.draws:.1%}",
        f"{found.promised:.1%}",
        f"{found.true:.1%}",
        f"{found.passed_over / found.draws:.1%}",
        f"{found.failed_before / found.draws:.0%}",
    ]
    return f"| {' | '.join(cells)} |"


HEAD = (
    "| tail | images | a group | correlation | wanted | failed, over images | over groups | mean promise "
    "| mean true rate | odd image passed over | failed before |\n| --- " + "| --- " * 10 + "|"
)


def main() -> None:
    """Run the study and print its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    print(HEAD)
    outcomes = []
    for number, case in enumerate(cases()):
        found = simulate(case, arguments.draws, number)
        outcomes.append({**asdict(case), **asdict(found)})
        print(row(case, found), flush=True)
    worst = max(max(each["failed_images"], each["failed_groups"]) for each in outcomes)
    print(f"\nmost failures of a case: {worst} of {arguments.draws}; allowed: {outcomes[0]['allowed']}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(outcomes, indent=1))


if __name__ == "__main__":
    main()
