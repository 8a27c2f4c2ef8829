"""What the command line says of groups: how many, found from what, how sure, and what they can promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from excision.cli.output import say, say_facts

if TYPE_CHECKING:
    from excision.data.groups import GroupSummary


def say_groups(groups: GroupSummary) -> None:
    """Print the groups of good images, with examples and with what to do if they are wrong."""
    if not groups.count:
        return
    say("\nGroups of good images (images of one group may resemble each other; groups count as independent):")
    say_facts(
        [
            ("Groups", groups.describe()),
            ("Found from", groups.basis),
            ("Sure", "yes" if groups.sure else "no"),
            *((f"{'Measured' if place == 0 else ''}", line) for place, line in enumerate(groups.evidence)),
        ]
    )
    if groups.largest > 1:
        for group, names in groups.examples.items():
            say(f"  {group}: {', '.join(names)}{', ...' if len(names) < groups.largest else ''}")
    if not groups.sure:
        say(
            "  If you know better, say which images belong together: --groups each (all are independent), "
            "folder, column:NAME, time:60s, or a regular expression such as --groups 'strip(\\d+)'."
        )
