"""Whether a90/95 keeps its confidence: studies of known curves, with parts that differ more or less.

    python experiments/capability_coverage.py --studies 300

Each study draws sizes, hits and misses of a logit curve whose a90 is known, on parts each of which shifts the
curve by an effect of its own. The upper limit should be above the true a90 in at least 95 % of the studies;
the table shows the share for the likelihood ratio alone, for the bootstrap over parts alone, and for the
larger of both, which is reported. With effects of parts, the true a90 is that of all parts together.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

import numpy as np

from excision.capability.analysis import analyse_curve, relative
from excision.capability.records import Record

LARGEST = 200.0


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of study.

    Attributes:
        drawings: number of drawings.
        parts: number of parts that they are spread over.
        slope: of the curve.
        effect: deviation of the effect of a part on the log odds.
    """

    drawings: int
    parts: int
    slope: float
    effect: float


CASES = (
    Case(60, 60, 3.0, 0.0),
    Case(110, 110, 3.0, 0.0),
    Case(300, 100, 3.0, 0.0),
    Case(110, 30, 3.0, 1.0),
    Case(300, 30, 3.0, 1.0),
    Case(300, 30, 3.0, 2.0),
)


@dataclass(frozen=True, slots=True)
class Coverage:
    """Shares of studies whose limit is above the true a90."""

    case: Case
    likelihood: float
    bootstrap: float
    reported: float
    median: float


def true_a90(case: Case) -> float:
    """Give the size at which 90 % are found, over the effects of all parts."""
    effects = case.effect * np.array([np.sqrt(2.0)]) * np.polynomial.hermite.hermgauss(60)[0]
    weights = np.polynomial.hermite.hermgauss(60)[1] / math.sqrt(math.pi)
    low, high = 0.1, 1e4
    for _ in range(80):
        middle = math.sqrt(low * high)
        eta = math.log(9) + case.slope * math.log(middle / 10) + effects
        found = float((weights / (1 + np.exp(-eta))).sum())
        low, high = (middle, high) if found < 0.9 else (low, middle)
    return high


def draw(case: Case, rng: np.random.Generator) -> list[Record]:
    """Draw a study."""
    effect = rng.normal(0, case.effect, case.parts) if case.effect else np.zeros(case.parts)
    found = []
    for number in range(case.drawings):
        size = float(np.exp(rng.uniform(0, math.log(LARGEST))))
        eta = math.log(9) + case.slope * math.log(size / 10) + effect[number % case.parts]
        hit = bool(rng.random() < 1 / (1 + math.exp(-eta)))
        found.append(
            Record(
                number, "", str(number % case.parts), "pit", size, size, 0.2, 0, 0, 0, 0, 0, 1, 0.2, 0, 0.5,
                2.0 if hit else 0.6, int(hit), 0,
            )
        )  # fmt: skip
    return found


def cover(case: Case, studies: int, seed: int = 0) -> Coverage:
    """Count the studies of a case whose limits are above the true a90."""
    rng, truth = np.random.default_rng(seed), true_a90(case)
    curves = [analyse_curve(draw(case, rng), 1.0, study) for study in range(studies)]
    limits = np.array(
        [
            [relative(one.a90_95_likelihood), relative(one.a90_95_bootstrap), relative(one.a90_95)]
            for one in curves
        ]
    )
    likelihood, bootstrap, reported = (limits >= truth).mean(axis=0).tolist()
    finite = limits[:, 2][np.isfinite(limits[:, 2])]
    return Coverage(
        case, likelihood, bootstrap, reported, float(np.median(finite)) / truth if len(finite) else 0
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--studies", type=int, default=300)
    studies = parser.parse_args().studies
    print(
        "| drawings | parts | effect of parts | likelihood | bootstrap | reported | a90/95 over a90, median |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for case in CASES:
        one = cover(case, studies)
        print(
            f"| {case.drawings} | {case.parts} | {case.effect:g} | {one.likelihood:.1%} "
            f"| {one.bootstrap:.1%} | {one.reported:.1%} | {one.median:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
