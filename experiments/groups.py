"""How often the groups of drawn images are found.

    python experiments/groups.py [DRAWS]

Draws sets of procedural surfaces of 30 to 200 images and looks for their groups:

- independent: every image is drawn by itself, and named img_001 and so on.
- strips: 5 to 20 strips with 3 to 12 tiles each, named strip03_tile_07.
- unnamed strips: the same, but numbered through.
- sessions: 3 to 5 stretches of different light, numbered through.
- wandering: light that wanders from image to image, numbered through.

Images of one strip, session or moment share their brightness, contrast and gradient of light; these vary
between groups as much as within them, or twice or half as much.

Prints for each kind: how often every image counts as independent, how often the groups are exactly those
drawn, and how often at most a tenth of the images lie apart from the rest of their group ("right or larger").
Independent images should be found independent in at least 95 % of the sets. Wandering images have no right
groups: what counts is that they are not called independent.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from excision.data.groups.appearance import appearance
from excision.data.groups.find import group_images
from excision.data.groups.grouping import Grouping
from excision.synthetic.surfaces import brushed_metal, cast_grain, woven_fabric

SURFACES = (brushed_metal, cast_grain, woven_fabric)
SIDE = 64

Drawn = tuple[list[str], list[int], NDArray[np.float64]]
"""Names, true groups, and light of each image: brightness, contrast and gradients along both axes."""

WITHIN = np.array([0.02, 0.04, 0.02, 0.02])
"""Standard deviation of the light between images of one group."""


def draw_independent(rng: np.random.Generator) -> Drawn:
    """Draw images that have nothing in common."""
    count = int(rng.integers(30, 201))
    return _numbered(count), list(range(count)), np.zeros((count, 4))


def draw_strips(rng: np.random.Generator) -> Drawn:
    """Draw tiles of strips, whose names say which strip they are of."""
    names, groups = [], []
    for strip in range(int(rng.integers(5, 21))):
        for tile in range(int(rng.integers(3, 13))):
            names.append(f"strip{strip:02d}_tile_{tile:02d}.png")
            groups.append(strip)
    return names, groups, _effects(rng, max(groups) + 1)[groups]


def draw_unnamed_strips(rng: np.random.Generator) -> Drawn:
    """Draw tiles of strips whose names are numbers alone."""
    _, groups, light = draw_strips(rng)
    return _numbered(len(groups)), groups, light


def draw_sessions(rng: np.random.Generator) -> Drawn:
    """Draw images that were taken in a few sessions, in turn."""
    sizes = rng.integers(12, 60, size=rng.integers(3, 6))
    groups = [session for session, size in enumerate(sizes) for _ in range(size)]
    return _numbered(len(groups)), groups, _effects(rng, len(sizes))[groups]


def draw_wandering(rng: np.random.Generator) -> Drawn:
    """Draw images whose light wanders."""
    count = int(rng.integers(60, 201))
    steps = np.cumsum(rng.normal(size=(count, 4)), axis=0)
    steps = (steps - steps.mean(0)) / steps.std(0)
    return _numbered(count), [0] * count, steps * WITHIN * rng.choice([0.5, 1, 2])


KINDS: dict[str, Callable[[np.random.Generator], Drawn]] = {
    "independent": draw_independent,
    "strips": draw_strips,
    "unnamed strips": draw_unnamed_strips,
    "sessions": draw_sessions,
    "wandering": draw_wandering,
}


def _numbered(count: int) -> list[str]:
    return [f"img_{number:03d}.png" for number in range(1, count + 1)]


def _effects(rng: np.random.Generator, groups: int) -> NDArray[np.float64]:
    effects: NDArray[np.float64] = rng.normal(size=(groups, 4)) * WITHIN * rng.choice([0.5, 1, 2])
    return effects


def photograph(
    rng: np.random.Generator, surface: NDArray[np.float32], light: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Change a surface by its light."""
    brightness, contrast, down, right = light + rng.normal(size=4) * WITHIN
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    lit = (surface - 0.5) * (1 + contrast) + 0.5 + brightness + down * y + right * x
    pixels: NDArray[np.uint8] = np.round(np.clip(lit, 0, 1) * 255).astype(np.uint8)
    return pixels


def draw_and_find(kind: str, seed: int) -> tuple[Grouping, dict[str, int]]:
    """Draw a set and find its groups.

    Returns:
        What was found, and the true group of each image.
    """
    rng = np.random.default_rng(seed)
    draw_surface = SURFACES[int(rng.integers(len(SURFACES)))]
    names, groups, light = KINDS[kind](rng)
    looks = {
        name: appearance(photograph(rng, draw_surface(rng, (SIDE, SIDE)), each))
        for name, each in zip(names, light, strict=True)
    }
    paths = {name: Path(name) for name in names}
    found = group_images(paths, {name: name for name in names}, None, looks)
    return found, dict(zip(names, groups, strict=True))


def exact(found: Mapping[str, str], true: Mapping[str, int]) -> bool:
    """Tell whether two partitions are the same."""
    pairs = {(found[name], true[name]) for name in true}
    return len(pairs) == len(set(found.values())) == len(set(true.values()))


def right_or_larger(found: Mapping[str, str], true: Mapping[str, int]) -> bool:
    """Tell whether at most a tenth of the images lie apart from the most of their true group."""
    members: dict[int, list[str]] = defaultdict(list)
    for name, group in true.items():
        members[group].append(found[name])
    apart = sum(len(groups) - Counter(groups).most_common(1)[0][1] for groups in members.values())
    return apart <= len(true) / 10


def study(kind: str, seeds: Sequence[int]) -> dict[str, float]:
    """Give the shares of drawn sets that come out independent, exact, and right or larger."""
    counts: Counter[str] = Counter()
    for seed in seeds:
        found, true = draw_and_find(kind, seed)
        counts["independent"] += found.count == len(true)
        counts["exact"] += exact(found.of, true)
        counts["right or larger"] += right_or_larger(found.of, true)
    return {name: counts[name] / len(seeds) for name in ("independent", "exact", "right or larger")}


if __name__ == "__main__":
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    for each in KINDS:
        shares = study(each, range(draws))
        print(f"{each:15}", *(f"{name} {share:.0%}" for name, share in shares.items()), sep="  ", flush=True)
