"""Finding the groups of images: told by a person or by the data set, or found from names and content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from excision.data.groups.appearance import Looks
from excision.data.groups.collecting import Collector, to_be_found
from excision.data.groups.content import Search, search
from excision.data.groups.evidence import Features, normal_scores
from excision.data.groups.grouping import Grouping
from excision.data.groups.known import part_groups
from excision.data.groups.names import Level, find_levels, natural, repeated_part, views
from excision.data.groups.rule import GroupRule
from excision.data.groups.stated import by_rule
from excision.data.groups.times import pauses, stamp, times_of
from excision.data.records import GOOD, Sample
from excision.progress import Progress

_DAY = 86400


def find_groups(
    images: Mapping[str, Path], rule: GroupRule | None = None, progress: Progress | None = None
) -> Grouping:
    """Find which images belong together.

    Args:
        images: the file of each image, by the image's name; images that cannot be read count as independent.
        rule: how a person says that the groups are to be formed; None finds them.
        progress: called with (done, total) while the images are read.

    Raises:
        DatasetError: the rule fits no image, or not all of them.
    """
    known = part_groups(images)
    samples = [Sample(name, path, "train", GOOD, None, known[name]) for name, path in images.items()]
    collector = Collector(samples, rule)
    collector.read(progress)
    return group_images(images, known, rule, collector.looks)


def group_samples(
    samples: Iterable[Sample],
    rule: GroupRule | None = None,
    looks: Mapping[str, Looks] | None = None,
    columns: Mapping[str, Mapping[str, str]] | None = None,
) -> tuple[tuple[Sample, ...], Grouping]:
    """Find the groups of samples, and give them with these groups.

    The group that a data set states for a sample, in a column or by its layout, is kept.

    Args:
        samples: normal images.
        rule: how a person says that the groups are to be formed; None finds them.
        looks: what images look like, by name, as a `Collector` notes it; None reads the images.
        columns: columns of the data set's table, each with its value for each sample by name.

    Raises:
        DatasetError: the rule fits no image, or not all of them.
    """
    samples = tuple(samples)
    images = {sample.name: sample.image for sample in samples}
    stated = {sample.name: sample.group for sample in samples}
    if looks is None:
        collector = Collector(samples, rule)
        collector.read()
        looks = collector.looks
    grouping = group_images(images, stated, rule, looks, columns or {})
    return tuple(replace(sample, group=grouping.of[sample.name]) for sample in samples), grouping


def group_images(
    images: Mapping[str, Path],
    stated: Mapping[str, str],
    rule: GroupRule | None,
    looks: Mapping[str, Looks],
    columns: Mapping[str, Mapping[str, str]] | None = None,
) -> Grouping:
    """Find groups, where a data set states some; an image whose stated group is its own name has none."""
    if rule is not None and rule.kind != "auto":
        return by_rule(images, rule, columns or {})
    if not to_be_found(rule, stated):
        return Grouping(dict(stated), "the groups that the data set states", sure=True)
    if sum(name in looks for name in images) < 2:
        return Grouping({name: name for name in images}, "too few images to tell", sure=False)
    return _from_content(images, looks)


def _from_content(images: Mapping[str, Path], looks: Mapping[str, Looks]) -> Grouping:
    proposed = _proposed(images, times_of(images))
    return search(proposed.names, looks, proposed.levels, proposed.order, proposed.repeated)


def named_groups(names: Sequence[str], values: Features) -> tuple[Sequence[str], str] | None:
    """Find which images belong together by their names, as far as what was measured confirms it.

    Unlike `find_groups`, this never joins neighbours because they resemble each other: where images drift,
    all neighbours do.

    Args:
        names: of images, in any order; none twice.
        values: (N, D) what was measured of each, N at least 2, without missing values.

    Returns:
        The group of each image, and what images of a group share, in words; None if names show no groups.
    """
    known = part_groups(names)
    if any(known[name] != name for name in names):
        return [known[name] for name in names], "the part that their names state"
    proposed = _proposed(dict.fromkeys(names, Path()), None)
    rows = {name: row for row, name in enumerate(names)}
    seen = normal_scores(values[[rows[name] for name in proposed.names]])
    found = Search(proposed.names, range(len(names)), seen, proposed.order)
    for level in proposed.levels:
        found.try_level(level)
    of = dict(zip(found.names, found.groups, strict=True))
    return ([of[name] for name in names], found.basis) if found.basis else None


class _Proposed(NamedTuple):
    """What names and times propose: an order of names, levels of groups, and what repeats in this order."""

    names: Sequence[str]
    levels: Sequence[Level]
    order: str
    repeated: tuple[str, ...] | None


def _proposed(images: Mapping[str, Path], taken: tuple[Mapping[str, float], str] | None) -> _Proposed:
    names = sorted(images, key=natural)
    order, repeated = "the names", None
    levels = find_levels(names)
    split = views(names)
    if split is not None:
        # One part in several views: the views differ, but it is the parts that are drawn anew.
        repeated, rest = split
        names = sorted(names, key=dict(zip(names, map(natural, rest), strict=True)).__getitem__)
        repeated, rest = views(names) or split
        groups = [Level(rest, "the name without the view", repeated)]
        levels = groups + [Level(level.groups, level.what, repeated) for level in find_levels(rest)]
    elif taken is not None:
        times, order = taken
        names.sort(key=lambda name: times[name])
        repeated = repeated_part(names)
        levels = _time_levels(names, times, repeated) + find_levels(names)
        levels.sort(key=lambda level: -len(set(level.groups)))
    return _Proposed(names, levels, order, repeated)


def _time_levels(
    names: Sequence[str], times: Mapping[str, float], repeated: tuple[str, ...] | None
) -> list[Level]:
    """Give bursts, which pauses divide, and days."""
    levels = []
    for pause in pauses([times[name] for name in names]):
        groups, last = {}, None
        for name in names:
            if last is None or times[name] - times[last] > pause:
                start = stamp(times[name])
            groups[name], last = start, name
        levels.append(Level(tuple(groups.values()), f"a burst without a pause of {pause:.0f} s", repeated))
    days = tuple(stamp(times[name] // _DAY * _DAY)[:10] for name in names)
    if len(set(days)) > 1:
        levels.append(Level(days, "the day", repeated))
    return levels
