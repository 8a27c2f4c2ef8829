"""Finding the groups of images: told by a person or by the data set, or found from names and content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from excision.data.groups.grouping import Grouping
from excision.data.groups.known import part_groups
from excision.data.groups.rule import GroupRule
from excision.data.records import Sample
from excision.errors import DatasetError
from excision.progress import Progress


def find_groups(
    images: Mapping[str, Path],
    rule: GroupRule | None = None,
    progress: Progress | None = None,
) -> Grouping:
    """Find which images belong together.

    Args:
        images: the file of each image, by the image's name.
        rule: how a person says that the groups are to be formed; None finds them.
        progress: called with (done, total) while the images are read.

    Raises:
        DatasetError: the rule fits no image, or not all of them.
    """
    known = part_groups(images)
    return group_names(images, known, rule, progress, {})


def group_samples(
    samples: Iterable[Sample],
    rule: GroupRule | None = None,
    progress: Progress | None = None,
    columns: Mapping[str, Mapping[str, str]] | None = None,
) -> tuple[tuple[Sample, ...], Grouping]:
    """Find the groups of samples, and give them with these groups.

    The group that a data set states for a sample, in a column or by its layout, is kept.

    Args:
        samples: normal images.
        rule: how a person says that the groups are to be formed; None finds them.
        progress: called with (done, total) while the images are read.
        columns: columns of the data set's table, each with its value for each sample by name.

    Raises:
        DatasetError: the rule fits no image, or not all of them.
    """
    samples = tuple(samples)
    images = {sample.name: sample.image for sample in samples}
    stated = {sample.name: sample.group for sample in samples}
    grouping = group_names(images, stated, rule, progress, columns or {})
    return tuple(replace(sample, group=grouping.of[sample.name]) for sample in samples), grouping


def group_names(
    images: Mapping[str, Path],
    stated: Mapping[str, str],
    rule: GroupRule | None,
    progress: Progress | None,  # noqa: ARG001
    columns: Mapping[str, Mapping[str, str]],
) -> Grouping:
    """Find groups, where a data set states some; an image whose stated group is its own name has none."""
    if rule is not None and rule.kind != "auto":
        return by_rule(images, rule, columns)
    if any(group != name for name, group in stated.items()):
        return Grouping(dict(stated), "the groups that the data set states", sure=True)
    return Grouping({name: name for name in images}, "every image counts as independent", sure=False)


def by_rule(
    images: Mapping[str, Path], rule: GroupRule, columns: Mapping[str, Mapping[str, str]]
) -> Grouping:
    """Form the groups that a person asked for.

    Raises:
        DatasetError: the rule fits no image, or not all of them.
    """
    basis = f"--groups {rule.text}"
    if rule.kind == "each":
        return Grouping({name: name for name in images}, basis, sure=True)
    if rule.kind == "folder":
        return Grouping({name: str(PurePosixPath(name).parent) for name in images}, basis, sure=True)
    column = columns.get(rule.column or rule.text.lower())
    if rule.kind == "column" or column is not None:
        return _by_column(images, rule, column, columns)
    found = {name: rule.match(name) for name in images}
    missing = [name for name, group in found.items() if group is None]
    if missing:
        raise DatasetError(
            f"--groups {rule.text}: {len(missing)} of {len(found)} image names do not match it, such as "
            f"{missing[0]}; write a regular expression that matches every name"
        )
    return Grouping({name: group for name, group in found.items() if group is not None}, basis, sure=True)


def _by_column(
    images: Mapping[str, Path],
    rule: GroupRule,
    column: Mapping[str, str] | None,
    columns: Mapping[str, Mapping[str, str]],
) -> Grouping:
    if column is None:
        known = (
            f"its columns are {', '.join(columns)}" if columns else "the data are no table with such columns"
        )
        raise DatasetError(f"--groups {rule.text}: there is no column {rule.column}; {known}")
    empty = [name for name in images if not column.get(name)]
    if empty:
        raise DatasetError(
            f"--groups {rule.text}: the column is empty for {len(empty)} of {len(images)} images, such as "
            f"{empty[0]}"
        )
    return Grouping({name: column[name] for name in images}, f"--groups {rule.text}", sure=True)
