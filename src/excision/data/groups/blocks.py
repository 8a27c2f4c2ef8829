"""Groups of images that stand in an order: sessions between changes, or blocks of neighbours.

Where images depend on those beside them, blocks long enough that the dependence has gone count as independent
(Künsch, "The jackknife and the bootstrap for general stationary observations", 1989).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from excision.data.groups.evidence import Features, normal_scores, test_order

Labels = NDArray[np.int64]

MATERIAL = 0.1
"""Share of the variance that neighbours, or images of a group, must have in common to count."""

_STILL_ALIKE = 0.2
"""Successive groups may have this share in common, since blocks beside each other always have some."""

_SHORTEST = 3
_ORDERS = 99
_STEP = 0.5
"""Share of the difference between sessions that must lie close to the edges for a change to be abrupt."""

_MARGIN = 2
"""Blocks are this many times as long as the resemblance reaches, since few then lie across a strip."""

_NEAR = 3
"""Rows on either side of the edge of a block that are compared."""

_TELLING = 3
"""Components in which a change shows; in the others there is noise alone."""
_FEWEST, _LONGEST = (10, 30), 40
"""Blocks are made no longer than 40 rows, as far as that leaves between 10 and 30 of them.

Where images change all the time no length is enough, and a few groups could promise nothing."""

SIGNIFICANT = 0.03


@dataclass(frozen=True, slots=True)
class Blocks:
    """Successive groups.

    Attributes:
        labels: number of the group of each row, ascending from 0.
        sessions: True if the groups lie between abrupt changes, False if they are blocks of equal length.
        gone: whether successive groups no longer resemble each other more than others.
    """

    labels: tuple[int, ...]
    sessions: bool
    gone: bool


def divide(values: Features) -> Blocks:
    """Divide rows (N, D) in an order, neighbours of which resemble each other, into successive groups."""
    edges = _changes(values)
    if len(edges) > 1:
        labels = _labels(edges, len(values))
        if _abrupt(values, edges) and _alike_only_within(values, labels):
            return Blocks(tuple(labels), sessions=True, gone=True)
    length = _MARGIN * _reach(values)
    longest = max(2, len(values) // int(np.clip(len(values) // _LONGEST, *_FEWEST)))
    while True:
        length = min(length, longest)
        labels = _labels(_snapped(values, length), len(values))
        gone = _gone(_means(values, labels))
        if gone or length == longest:
            return Blocks(tuple(labels.tolist()), sessions=False, gone=gone)
        length *= 2


def _snapped(values: Features, length: int) -> list[int]:
    """Give the beginnings of blocks of about this length, each where the rows change most nearby."""
    count, play = max(1, len(values) // length), length // 3
    steps = np.zeros(len(values))
    for near in range(1, _NEAR + 1):
        change = values[near:] - values[:-near]
        for shift in range(near):
            place = np.arange(near - shift, len(values) - shift)
            steps[place] += (change**2).sum(1) / near**2
    edges = [0]
    for block in range(1, count):
        middle = round(block * len(values) / count)
        edges.append(middle - play + int(steps[middle - play : middle + play + 1].argmax()))
    return edges


def _reach(values: Features) -> int:
    """Give the first lag at which no component of the rows is still alike."""
    count = len(values)
    limit = max(_STILL_ALIKE, 2.5 / np.sqrt(count))
    for lag in range(1, count // 2):
        if (values[lag:] * values[:-lag]).mean(0).max() < limit:
            return max(2, lag)
    return max(2, count // 2)


def _changes(values: Features) -> list[int]:
    """Find the beginnings of sessions by binary segmentation.

    Vostrikova, "Detecting 'disorder' in multidimensional random processes", 1981. A change counts if its gain
    exceeds that of nearly every random order of the same rows.
    """
    rng = np.random.default_rng(0)
    found, open_ends = [0], [(0, len(values))]
    while open_ends:
        start, stop = open_ends.pop()
        rows = values[start:stop]
        if len(rows) < 2 * _SHORTEST:
            continue
        gains = _gains(rows)
        place = int(gains.argmax())
        if any(_gains(rows[rng.permutation(len(rows))]).max() >= gains[place] for _ in range(_ORDERS)):
            continue
        middle = start + place + _SHORTEST
        found.append(middle)
        open_ends += [(start, middle), (middle, stop)]
    return sorted(found)


def _gains(rows: Features) -> Features:
    """Give what a division at each allowed place explains: the sum of the largest shares."""
    count = len(rows)
    sums = np.cumsum(rows - rows.mean(0), axis=0)[_SHORTEST - 1 : count - _SHORTEST]
    left = np.arange(_SHORTEST, count - _SHORTEST + 1)[:, np.newaxis]
    explained = sums**2 * count / (left * (count - left)) / (rows.var(0) * count + 1e-9)
    strongest: Features = np.partition(explained, -_TELLING, axis=1)[:, -_TELLING:].sum(1)
    return strongest


def _abrupt(values: Features, edges: list[int]) -> bool:
    """Tell whether rows change at the edges themselves, rather than little by little between them.

    At an abrupt change the rows close to the edge differ as much as the whole sessions do; along a slope,
    those of the nearest quarter differ by about a quarter as much.
    """
    close, whole = 0.0, 0.0
    for start, middle, stop in zip(edges, edges[1:], [*edges[2:], len(values)], strict=False):
        near = max(1, min(middle - start, stop - middle) // 4)
        change = values[middle:stop].mean(0) - values[start:middle].mean(0)
        step = values[middle : middle + near].mean(0) - values[middle - near : middle].mean(0)
        close += float(step @ change)
        whole += float(change @ change)
    return close >= _STEP * whole


def _labels(edges: list[int], count: int) -> Labels:
    labels = np.zeros(count, dtype=np.int64)
    labels[edges[1:]] = 1
    return np.cumsum(labels)


def _means(values: Features, labels: Labels) -> Features:
    sizes = np.bincount(labels)
    means: Features = np.add.reduceat(values, np.flatnonzero(np.diff(labels, prepend=-1)), axis=0)
    return means / sizes[:, np.newaxis]


def _alike_only_within(values: Features, labels: Labels) -> bool:
    """Tell whether sessions explain the resemblance: none is left within them, or between successive ones."""
    means = _means(values, labels)
    rest = values - means[labels]
    within = test_order(rest / (rest.std(0) + 1e-9))
    return not (within.p_value <= SIGNIFICANT and within.share > MATERIAL) and _gone(means)


def _gone(means: Features) -> bool:
    """Tell whether successive groups resemble each other no more than others."""
    if len(means) < 8:
        return True
    left = test_order(normal_scores(means))
    return left.p_value > SIGNIFICANT or left.share <= _STILL_ALIKE
