"""Whether the promised share of unfit good images is kept, by simulation: cross-fitting, groups, few images.

    python experiments/unfit_promise.py --draws 200 > promise.md

Draws statistics of images (normal, or with heavy tails; a part of the variance common to a group), learns
from them what images are like, and counts new images beyond the limit that the calibration alone asks for,
without the margin that is added in use. A promise with 90 % confidence may be broken in 10 % of the draws.
"""

from __future__ import annotations

import argparse

import numpy as np

from excision.method.calibration import calibrate
from excision.method.fitness.fitness import cross_fitted
from excision.method.fitness.image_statistics import GREY_NAMES, ImageStatistics
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


def one(rng: np.random.Generator, groups: int, size: int, heavy: bool, rate: float) -> tuple[float, float]:
    """Return the promised and the true share of unfit images of one draw of groups."""
    length, share = len(GREY_NAMES) + 7 * GRID[0] * GRID[1], 0.5 if size > 1 else 0.0
    commons = rng.normal(size=(groups, length))
    images = [draw(rng, commons[index // size], share, heavy) for index in range(groups * size)]
    names = [str(index // size) for index in range(groups * size)]
    deviations = cross_fitted(images, names, lambda part: Norm.learn(part, GRID))
    found = calibrate(deviations, rate, groups=names)
    norm = Norm.learn(images, GRID)
    new = (draw(rng, rng.normal(size=length), share, heavy) for _ in range(NEW))
    beyond = [norm.compare(image).largest > found.threshold for image in new]
    return found.promised_rate, float(np.mean(beyond))


def main(words: list[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--draws", type=int, default=200, help="draws of each case")
    parser.add_argument("--rate", type=float, default=0.001, help="wanted share of unfit images")
    draws = parser.parse_args(words)
    print("| groups of images | tails | promised | unfit, mean | promise broken |")
    print("| --- | --- | ---: | ---: | ---: |")
    for groups, size in ((20, 1), (60, 1), (20, 4)):
        for heavy in (False, True):
            rng = np.random.default_rng(groups + size + heavy)
            pairs = np.array([one(rng, groups, size, heavy, draws.rate) for _ in range(draws.draws)])
            promised, true = pairs.T
            print(
                f"| {groups} of {size} | {'heavy' if heavy else 'normal'} | {promised.mean():.1%} | "
                f"{true.mean():.2%} | {np.mean(true > promised):.1%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
