"""Blocks of images with neighbouring names: what data are divided by before any image is looked at."""

from __future__ import annotations

from collections.abc import Sequence

from excision.data.groups.names import find_levels, natural, views

_FEWEST, _MOST, _LENGTH = 10, 20, 4
"""There are 10 to 20 blocks of at least four images where there are enough images."""


def name_blocks(names: Sequence[str]) -> dict[str, str]:
    """Give each image a block, so that neighbours are in one block, as far as names tell.

    Which images resemble each other is known only once they are read. Groups that are found then are levels
    of the names or neighbours in their order (`find_groups`), so blocks of either kind divide few of them.
    Blocks are the groups of the coarsest level of the names that has at least 10, or else equal lengths of
    the order. Views of one part (`cam1_part003`) are in one block.

    Args:
        names: of good images.

    Returns:
        The block of each name; up to 10 images are a block each.
    """
    split = views(names)
    parts = list(names) if split is None else list(split[1])
    ordered = sorted(set(parts), key=natural)
    for level in reversed(find_levels(ordered)):
        if len(set(level.groups)) >= _FEWEST:
            of = dict(zip(ordered, level.groups, strict=True))
            break
    else:
        count = min(len(ordered), _MOST, max(_FEWEST, len(ordered) // _LENGTH))
        blocks = [place * count // len(ordered) for place in range(len(ordered))]
        first = {block: ordered[blocks.index(block)] for block in set(blocks)}
        of = {name: first[block] for name, block in zip(ordered, blocks, strict=True)}
    return {name: of[part] for name, part in zip(names, parts, strict=True)}
