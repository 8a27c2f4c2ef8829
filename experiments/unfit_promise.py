"""Whether the promised share of unfit good images is kept, by simulation: cross-fitting, groups, few images.

    python experiments/unfit_promise.py --draws 200 > promise.md

Draws statistics of images (normal, or with heavy tails; a part of the variance common to a group; in one of
20 groups one statistic far out of line), learns from them what images are like, and counts new images that
are unfit: those beyond the limit, and those beyond it after single limits were widened, as in use. --limit
replaces the usual limit, since that in use is exceeded so rarely that it would not test the promise. A
promise with 90 % confidence may be broken in 10 % of the draws.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from excision.method.fitness.fitness import cross_fitted
from excision.method.fitness.image_statistics import GREY_NAMES, ImageStatistics
from excision.method.fitness.limits import promise_unfit, widen, within
from excision.method.fitness.norm import Norm

GRID = (4, 4)
NEW = 300


def draw(rng: np.random.Generator, common: np.ndarray, share: float, heavy: bool) -> ImageStatistics:
    """Draw the statistics of an image of a group."""
    own = rng.standard_t(4, len(common)) / np.sqrt(2) if heavy else rng.normal(size=len(common))
    values = np.sqrt(share) * common + np.sqrt(1 - share) * own
    named = dict(zip(GREY_NAMES, values.tolist(), strict=False))
    places = values[len(GREY_NAMES) :]
    cells = places[: 3 * GRID[0] * GRID[1]].reshape(3, -1)
    view = places[cells.size :].reshape(2 * GRID[0], 2 * GRID[1])
    return ImageStatistics(named, {name: -value for name, value in named.items()}, cells, view)


@dataclass(frozen=True)
class Case:
    """A kind of groups of images.

    Attributes:
        groups: number of groups.
        size: images of each.
        heavy: whether statistics have heavy tails.
        odd: whether one of 20 groups, on average, is far out of line in one statistic.
    """

    groups: int
    size: int
    heavy: bool
    odd: bool

    def group(self, rng: np.random.Generator, count: int) -> list[ImageStatistics]:
        """Draw the images of a group."""
        length, share = len(GREY_NAMES) + 7 * GRID[0] * GRID[1], 0.5 if self.size > 1 else 0.0
        common = rng.normal(size=length)
        images = [draw(rng, common, share, self.heavy) for _ in range(count)]
        if not self.odd or rng.random() > 0.05:
            return images
        name = GREY_NAMES[int(rng.integers(len(GREY_NAMES)))]
        away = float(rng.uniform(4, 20))
        return [image._replace(named={**image.named, name: image.named[name] + away}) for image in images]


def one(rng: np.random.Generator, case: Case, limit: float | None, new: int = NEW) -> tuple[float, ...]:
    """Return the promised share of unfit images of one draw of groups, and the true ones.

    These are without and with widened limits.
    """
    drawn = [image for _ in range(case.groups) for image in case.group(rng, case.size)]
    names = [str(index // case.size) for index in range(len(drawn))]
    deviations = cross_fitted(drawn, names, lambda part: Norm.learn(part, GRID))
    largest = [max(map(abs, each.values())) for each in deviations]
    found = promise_unfit(largest, names, names, rate=0.001, confidence=0.9, usual=limit)
    used, norm = found.threshold, Norm.learn(drawn, GRID)
    widened = widen(deviations, used)
    compared = [norm.compare(case.group(rng, 1)[0]) for _ in range(new)]
    fixed = [each.largest > used for each in compared]
    wider = [within(each, widened, used).largest > used for each in compared]
    return found.promised_rate, float(np.mean(fixed)), float(np.mean(wider))


CASES = [
    Case(groups, size, heavy, odd)
    for groups, size in ((20, 1), (60, 1), (20, 4))
    for heavy, odd in ((False, False), (True, False), (False, True))
]


def main(words: list[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--draws", type=int, default=200, help="draws of each case")
    parser.add_argument("--limit", type=float, help="usual limit in units; by default that in use")
    given = parser.parse_args(words)
    print("| groups of images | statistics | promised | unfit: one limit | widened | promise broken |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for case in CASES:
        rng = np.random.default_rng(case.groups + case.size + case.heavy + 2 * case.odd)
        drawn = np.array([one(rng, case, given.limit) for _ in range(given.draws)])
        promised, fixed, wider = drawn.T
        kind = "one group in 20 odd" if case.odd else "heavy tails" if case.heavy else "normal"
        print(
            f"| {case.groups} of {case.size} | {kind} | {promised.mean():.1%} | {fixed.mean():.2%} | "
            f"{wider.mean():.2%} | {np.mean(fixed > promised):.1%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
