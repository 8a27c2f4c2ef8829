"""What the command line says of groups: how many, found from what, how sure, and what they can promise."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from excision.cli.output import say, say_facts, say_text

if TYPE_CHECKING:
    from excision.data.groups import GroupSummary


def say_groups(groups: GroupSummary) -> None:
    """Print the groups of good images, with examples and with what to do if they are wrong."""
    if not groups.count:
        return
    say_text(
        "\nGroups of good images (images of one group may resemble each other; groups count as independent):"
    )
    say_facts(
        [
            ("Groups", groups.describe()),
            ("Found from", groups.basis),
            ("Sure", "yes" if groups.sure else "no"),
            *((f"{'Measured' if place == 0 else ''}", line) for place, line in enumerate(groups.evidence)),
        ]
    )
    if groups.largest > 1:
        for group, names in _within_one_folder(groups.examples).items():
            say(f"  {group}: {', '.join(names)}{', ...' if len(names) < groups.largest else ''}")
    if not groups.sure:
        say_text(
            "  If you know better, say which images belong together: --groups each (all are independent), "
            "folder, column:NAME, time:60s, or a regular expression such as --groups 'strip(\\d+)'."
        )


def _within_one_folder(examples: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Name groups and images within the folder that holds all of these images, if their names are paths."""
    folders = {Path(name).parent for names in examples.values() for name in names}
    prefix = f"{os.path.commonpath(folders)}{os.sep}" if all(map(Path.is_absolute, folders)) else ""
    return {
        group.removeprefix(prefix): [name.removeprefix(prefix) for name in names]
        for group, names in examples.items()
    }
