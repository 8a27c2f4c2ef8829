"""Groups that a person stated by a rule."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from excision.data.groups.grouping import Grouping
from excision.data.groups.rule import GroupRule
from excision.data.groups.times import times_of, windows
from excision.errors import DatasetError

Columns = Mapping[str, Mapping[str, str]]


def by_rule(images: Mapping[str, Path], rule: GroupRule, columns: Columns) -> Grouping:
    """Form the groups that a person asked for.

    Args:
        images: the file of each image, by name.
        rule: other than "auto".
        columns: columns of the data set's table, each with its value for each image by name.

    Raises:
        DatasetError: the rule fits no image, or not all of them.
    """
    basis = f"--groups {rule.text}"
    if rule.kind == "each":
        return Grouping({name: name for name in images}, basis, sure=True)
    if rule.kind == "folder":
        return Grouping({name: str(PurePosixPath(name).parent) for name in images}, basis, sure=True)
    if rule.kind == "time":
        return _by_time(images, rule)
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


def _by_time(images: Mapping[str, Path], rule: GroupRule) -> Grouping:
    taken = times_of(images, files=True)
    if taken is None:
        raise DatasetError(
            f"--groups {rule.text}: neither the names nor EXIF say of every image when it was taken, and "
            "all files have the same time; write a regular expression, or a column of a CSV table"
        )
    times, what = taken
    doubtful = what.startswith("the time of the files")
    return Grouping(windows(times, rule.seconds), f"--groups {rule.text}, by {what}", sure=not doubtful)


def _by_column(
    images: Mapping[str, Path], rule: GroupRule, column: Mapping[str, str] | None, columns: Columns
) -> Grouping:
    if column is None:
        known = f"the columns are {', '.join(columns)}" if columns else "the data are no table of columns"
        raise DatasetError(f"--groups {rule.text}: there is no column {rule.column}; {known}")
    empty = [name for name in images if not column.get(name)]
    if empty:
        raise DatasetError(
            f"--groups {rule.text}: the column is empty for {len(empty)} of {len(images)} images, such as "
            f"{empty[0]}"
        )
    return Grouping({name: column[name] for name in images}, f"--groups {rule.text}", sure=True)
