"""In which order the images of an inspection are looked at for drift."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from excision.data.groups.evidence import Features
from excision.data.groups.find import named_groups
from excision.data.groups.times import pauses, times_of

FEWEST_GROUPS = 20
"""Of fewer groups that names show, nothing could be told: plain blocks are taken instead."""

_MOST = 4000
"""Images among which groups are looked for, so that time and memory stay bounded."""


class Order(NamedTuple):
    """An order of images.

    Attributes:
        places: place of each image among those given, in this order.
        groups: for each place in this order, images with the same number are not independent: they were
            taken without a pause, or their names say that they belong together; empty where nothing is known.
        basis: what the order is, as words after "in the order of".
        is_time: whether it is the order in which the images were taken.
    """

    places: Sequence[int]
    groups: Sequence[int]
    basis: str
    is_time: bool


def order_of(images: Sequence[str], measured: Callable[[], Features] | None = None) -> Order:
    """Find the order in which images were taken, from their names or EXIF; else take them as they come.

    Images that are sorted by position or kind differ from each other along the list, without any drift. Where
    the time is not known, images that belong together by their names, and resemble each other, are put side
    by side, at the place of the first.

    Args:
        images: paths.
        measured: gives (N, D) what was measured of each; is called only where the time is not known.
    """
    if not images:
        return _as_inspected(0)
    paths = [Path(image).absolute() for image in images]
    try:
        shared = os.path.commonpath([path.parent for path in paths])
    except ValueError:  # on several drives
        shared = ""
    # A date in a folder above all of them says nothing about their order.
    names = {str(path)[len(shared) :]: path for path in paths}
    known = times_of(names) if len(names) == len(images) else None
    if known is None:
        return _by_groups(names, measured) if len(names) == len(images) else _as_inspected(len(images))
    times, basis = [known[0][name] for name in names], known[1]
    places = sorted(range(len(images)), key=lambda place: (times[place], place))
    ascending = [times[place] for place in places]
    lengths = pauses(ascending)
    bursts, burst = [], 0
    for place, moment in enumerate(ascending):
        burst += bool(lengths) and place > 0 and moment - ascending[place - 1] > lengths[0]
        bursts.append(burst)
    return Order(places, bursts if lengths else (), basis, is_time=True)


def _as_inspected(count: int) -> Order:
    return Order(range(count), (), "inspection", is_time=False)


def _by_groups(names: Mapping[str, Path], measured: Callable[[], Features] | None) -> Order:
    """Put images that belong together by their names side by side."""
    count = len(names)
    if measured is None or not 2 <= count <= _MOST:
        return _as_inspected(count)
    found = named_groups([*names], measured())
    if found is None or len(set(found[0])) < FEWEST_GROUPS:
        return _as_inspected(count)
    number: dict[str, int] = {}
    groups = [number.setdefault(group, len(number)) for group in found[0]]
    places = sorted(range(count), key=lambda place: (groups[place], place))
    basis = f"inspection, {len(number)} groups of images that share {found[1]}"
    return Order(places, [groups[place] for place in places], basis, is_time=False)
