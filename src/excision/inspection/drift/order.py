"""In which order the images of an inspection are looked at for drift."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from excision.data.groups.times import pauses, times_of


class Order(NamedTuple):
    """An order of images.

    Attributes:
        places: place of each image among those given, in this order.
        bursts: for each place in this order, images with the same number were taken without a pause; empty
            where the time is not known.
        basis: what the order is, as words after "in the order of".
        is_time: whether it is the order in which the images were taken.
    """

    places: Sequence[int]
    bursts: Sequence[int]
    basis: str
    is_time: bool


def order_of(images: Sequence[str]) -> Order:
    """Find the order in which images were taken, from their names or EXIF; else take them as they come.

    Images that are sorted by position or kind differ from each other along the list, without any drift.

    Args:
        images: paths.
    """
    if not images:
        return Order((), (), "inspection", is_time=False)
    paths = [Path(image).absolute() for image in images]
    try:
        shared = os.path.commonpath([path.parent for path in paths])
    except ValueError:  # on several drives
        shared = ""
    # A date in a folder above all of them says nothing about their order.
    names = {str(path)[len(shared) :]: path for path in paths}
    known = times_of(names) if len(names) == len(images) else None
    if known is None:
        return Order(range(len(images)), (), "inspection", is_time=False)
    times, basis = [known[0][name] for name in names], known[1]
    places = sorted(range(len(images)), key=lambda place: (times[place], place))
    ascending = [times[place] for place in places]
    lengths = pauses(ascending)
    bursts, burst = [], 0
    for place, moment in enumerate(ascending):
        burst += bool(lengths) and place > 0 and moment - ascending[place - 1] > lengths[0]
        bursts.append(burst)
    return Order(places, bursts if lengths else (), basis, is_time=True)
