"""How much memory of the networks cross-calibration withstands, by simulation.

Good images come in groups; their scores are exponential, with a common part within each group. Four fifths of
the groups were trained on. A network that remembers lowers their scores by a factor. The threshold is set as
a training does it: from all images, unless the permutation test shows memory, then from the held-out ones.
The table shows the share of simulated trainings whose true false-alarm rate exceeds the promise (at most 10 %
at 90 % confidence), how often held-out images calibrated alone, and the mean promised and true rate.

    python experiments/memory_simulated.py [--draws 1000]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from excision.method.calibration import calibrate
from excision.method.cross_calibration import LEVEL, memory_p_value

CONFIDENCE = 0.9
FACTORS = (1.0, 0.95, 0.9, 0.8, 0.6)
SHAPES = ((40, 1), (120, 1), (20, 6))
RATE = 0.01


class Draw(NamedTuple):
    """What one simulated training promised.

    Attributes:
        promised: promised false-alarm rate.
        true: true false-alarm rate.
        alone: whether held-out images calibrated alone.
    """

    promised: float
    true: float
    alone: bool


def simulate(rng: np.random.Generator, groups: int, size: int, factor: float) -> Draw:
    """Draw the scores of one training and set its threshold.

    Args:
        rng: source of the draws.
        groups: number of groups.
        size: images in each.
        factor: by which memory multiplies the scores of images that were trained on.
    """
    shared = rng.exponential(size=(groups, 1))
    scores = np.where(rng.random((groups, size)) < 0.5, shared, rng.exponential(size=(groups, size)))
    held_out = max(1, round(groups / 5))
    scores[held_out:] *= factor
    names = np.repeat(np.arange(groups), size).astype(str).tolist()
    new, new_groups = scores[:held_out].ravel().tolist(), names[: held_out * size]
    seen, seen_groups = scores[held_out:].ravel().tolist(), names[held_out * size :]
    alone = memory_p_value(seen, seen_groups, new, new_groups) < LEVEL
    chosen = (new, new_groups) if alone else ([*seen, *new], [*seen_groups, *new_groups])
    found = calibrate(chosen[0], RATE, confidence=CONFIDENCE, groups=chosen[1])
    # Each score is exponential with mean 1, whether it is shared in its group or not.
    return Draw(found.promised_rate, float(np.exp(-found.threshold)), alone)


def main(words: Sequence[str] | None = None) -> None:
    """Simulate and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000)
    given = parser.parse_args(words)
    print("| groups x images | memory lowers scores by | broken | held out alone | promised | true |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for groups, size in SHAPES:
        for factor in FACTORS:
            rng = np.random.default_rng(0)
            draws = [simulate(rng, groups, size, factor) for _ in range(given.draws)]
            broken = np.mean([draw.true > draw.promised for draw in draws])
            alone = np.mean([draw.alone for draw in draws])
            promised, true = np.mean([[draw.promised, draw.true] for draw in draws], axis=0)
            print(
                f"| {groups} x {size} | {1 - factor:.0%} | {broken:.1%} | {alone:.0%} "
                f"| {promised:.1%} | {true:.1%} |"
            )


if __name__ == "__main__":
    main()
