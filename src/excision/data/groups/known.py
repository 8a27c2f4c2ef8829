"""Which images show the same part, derived from the file names of known data sets.

Images of one part resemble each other far more than images of two parts do. A part on both sides of a split
would make every figure too good.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import PurePosixPath

from excision.data.records import Sample

KOLEKTOR_IMAGE = re.compile(r"(?:^|/)(kos\d+)/Part\d+\.\w+$", re.IGNORECASE)
MAGNETIC_IMAGE = re.compile(r"(?:^|/)exp(\d+)_num_(\d+)\.\w+$", re.IGNORECASE)

_CLOSE = 100
"""Acquisition numbers of one magnetic tile differ by at most this; tiles photographed in turn overlap."""


def part_groups(names: Iterable[str]) -> dict[str, str]:
    """Give each image name its group.

    - `kosNN/PartM.jpg` (KolektorSDD): the item `kosNN`.
    - `expE_num_N.jpg` (MagneticTile): the tile, see `tile_groups`.
    - any other name: a group of its own.

    Args:
        names: all image names of the data set; a tile is recognised from its neighbours.

    Returns:
        The group of each name.
    """
    names = list(names)
    groups = tile_groups(names)
    for name in names:
        item = KOLEKTOR_IMAGE.search(name)
        if item:
            groups[name] = str(PurePosixPath(name).parent)
    return {name: groups.get(name, name) for name in names}


def tile_groups(names: Iterable[str]) -> dict[str, str]:
    """Assign the MagneticTile images among `names` to tiles, named by their first acquisition number.

    A tile was photographed under rising exposure `expE` with rising numbers `num_N`. In the order of the
    numbers, a new tile begins where the exposure does not rise and the number jumps by more than 100. Tiles
    photographed in turn count as one, which is safe: no tile is divided.
    """
    found = ((MAGNETIC_IMAGE.search(name), name) for name in names)
    shots = sorted((int(match[2]), int(match[1]), name) for match, name in found if match)
    groups: dict[str, str] = {}
    tile, last_number, last_exposure = "", 0, 0
    for number, exposure, name in shots:
        if not tile or (exposure <= last_exposure and number - last_number > _CLOSE):
            tile = f"tile {number:06d}"
        groups[name] = tile
        last_number, last_exposure = number, exposure
    return groups


def with_groups(samples: Iterable[Sample]) -> list[Sample]:
    """Give the samples with their groups set by `part_groups`."""
    samples = list(samples)
    groups = part_groups(s.name for s in samples)
    return [replace(s, group=groups[s.name]) for s in samples]
