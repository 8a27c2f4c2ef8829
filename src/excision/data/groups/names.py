"""What file names alone say: candidate levels of groups, from the finest to the coarsest, and an order.

Names only propose; whether images of a level resemble each other is decided by their content.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_TOKENS = re.compile(r"\d+|[^\W\d_]+|[\W_]+")
_MOST_LEVELS = 6

_FIXED = re.compile(
    r"cam|camera|view|side|top|bottom|left|right|light|exp|exposure|channel|ch|station", re.IGNORECASE
)
"""Words for what is the same for every part: images of one camera are no group of their own."""


@dataclass(frozen=True, slots=True)
class Level:
    """One way to group images that their names suggest.

    Attributes:
        groups: the group of each image, in the order of the names.
        what: what the images of a group share, such as "the name up to its last number".
        repeated: what varies within a group, for each image, where it repeats from group to group, such as
            the position on a part.
    """

    groups: tuple[str, ...]
    what: str
    repeated: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class _Name:
    """A name without its ending, in tokens; `fields` are the places of those that vary between names."""

    tokens: tuple[str, ...]
    fields: tuple[int, ...]

    def up_to(self, dropped: int) -> str:
        """Give the name before the first of the last `dropped` fields."""
        place = self.fields[-dropped] if dropped <= len(self.fields) else 0
        return "".join(self.tokens[:place]).rstrip("/_-. ()[]")

    def after(self, dropped: int) -> str:
        """Give the last `dropped` fields."""
        return " ".join(self.tokens[place] for place in self.fields[-dropped:])


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """Give a key that sorts numbers in names by their value: image 2 before image 10."""
    parts = re.findall(r"\d+|\D+", name)
    # The text decides between 7 and 07.
    return (*((int(part) if part.isdecimal() else -1, part) for part in parts), (-2, name))


def find_levels(names: Sequence[str]) -> list[Level]:
    """Give the levels of groups that names suggest, from the finest to the coarsest.

    Args:
        names: paths of the images, with forward slashes.

    Returns:
        Levels with at least two groups, at least half of whose images share a group with another.
    """
    parsed = _parse(names)
    deepest = max((len(name.fields) for name in parsed), default=0)
    levels: list[Level] = []
    for dropped in range(1, min(deepest, _MOST_LEVELS) + 1):
        groups = tuple(name.up_to(dropped) for name in parsed)
        if not _useful(groups) or (levels and groups == levels[-1].groups):
            continue
        if _views_alone(parsed, dropped):
            continue
        within = tuple(name.after(dropped) for name in parsed)
        levels.append(Level(groups, _what(dropped), within if repeats(within) else None))
    return levels


def repeats(values: Sequence[str]) -> bool:
    """Tell whether a few values occur again and again: at least five times each on average."""
    kinds = len(set(values))
    return 2 <= kinds <= len(values) / 5


def views(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Split names that begin with a camera, side or light into that and the rest.

    Returns:
        The view of each image, and its name without it; None if the names do not tell views apart, or if not
        nearly every part was taken in each view.
    """
    parsed = _parse(names)
    if not all(name.fields for name in parsed):
        return None
    first = [name.fields[0] for name in parsed]
    words = {_word(name.tokens, place) for name, place in zip(parsed, first, strict=True)}
    if not all(_FIXED.fullmatch(word) for word in words):
        return None
    seen = tuple(name.tokens[place] for name, place in zip(parsed, first, strict=True))
    rest = tuple(
        "".join((*name.tokens[:place], *name.tokens[place + 1 :]))
        for name, place in zip(parsed, first, strict=True)
    )
    complete = len(set(seen)) * len(set(rest)) <= 1.25 * len(names)
    return (seen, rest) if repeats(seen) and complete else None


def _views_alone(parsed: Sequence[_Name], dropped: int) -> bool:
    """Tell whether all that is left of the names is with which camera or light the images were taken."""
    left = [(name.tokens, name.fields[:-dropped]) for name in parsed]
    return all(
        len(places) == 1 and _FIXED.fullmatch(_word(tokens, places[0])) is not None for tokens, places in left
    )


def _word(tokens: Sequence[str], place: int) -> str:
    """Give the word at a place, or the last one before it."""
    return next((token for token in reversed(tokens[: place + 1]) if token[0].isalpha()), "")


def _useful(groups: Iterable[str]) -> bool:
    sizes = Counter(groups)
    shared = sum(size for size in sizes.values() if size > 1)
    return len(sizes) >= 2 and shared >= sizes.total() / 2


def _what(dropped: int) -> str:
    return (
        "the name up to its last number or word"
        if dropped == 1
        else f"the name without its last {dropped} numbers or words"
    )


def _parse(names: Sequence[str]) -> list[_Name]:
    """Split names into tokens, and find for each shape of name which places vary."""
    split = [tuple(_TOKENS.findall(name.rpartition(".")[0] or name)) for name in names]
    shapes = [tuple(_shape(token) for token in tokens) for tokens in split]
    values: dict[tuple[str, ...], list[set[str]]] = defaultdict(list)
    for tokens, shape in zip(split, shapes, strict=True):
        seen = values[shape] or values[shape].__iadd__([set() for _ in shape])
        for place, token in enumerate(tokens):
            seen[place].add(token)
    varying = {
        shape: tuple(place for place, kinds in enumerate(seen) if len(kinds) > 1 and shape[place] in "#a")
        for shape, seen in values.items()
    }
    return [_Name(tokens, varying[shape]) for tokens, shape in zip(split, shapes, strict=True)]


def _shape(token: str) -> str:
    """Give "#" for digits, "a" for letters, and what separates as it is."""
    if token[0].isdecimal():
        return "#"
    return "a" if token[0].isalpha() else token


def repeated_part(names: Sequence[str]) -> tuple[str, ...] | None:
    """Give the longest end of the names that occurs again and again, such as the position on a part."""
    parsed = _parse(names)
    deepest = max((len(name.fields) for name in parsed), default=0)
    for dropped in range(deepest - 1, 0, -1):
        ends = tuple(name.after(dropped) for name in parsed)
        if repeats(ends):
            return ends
    return None
