"""What the path of a file in a hot folder says of the part."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from excision.errors import SettingsError
from excision.station.hot_folder.template import Template, is_template
from excision.station.store.records import LONGEST_NAME, UNKNOWN, Origin, as_text

GROUPS = ("serial", "lot", "recipe", "view")
"""What a pattern may name."""


@dataclass(frozen=True, slots=True)
class Named:
    """What the path of a file says.

    Attributes:
        origin: of the part; nothing is known where the pattern does not fit.
        fault: why nothing was taken from the path, in words; empty where something was.
    """

    origin: Origin = UNKNOWN
    fault: str = ""


class NamePattern:
    """A pattern of paths below a hot folder: a template such as "{serial}_{view}", or a regular expression.

    Args:
        pattern: as it was given.
        views: names of views that a template may read; empty for any.

    Attributes:
        fields: what it names.
        is_template: whether it is a template, which every path should fit.

    Raises:
        SettingsError: it is neither, can be read in more than one way whatever the path, or names something
            that a result does not have, or nothing.
    """

    def __init__(self, pattern: str, views: Sequence[str] = ()) -> None:
        self._pattern = pattern
        self._template: Template | None = None
        self._expression: re.Pattern[str] | None = None
        self.is_template = is_template(pattern)
        if self.is_template:
            try:
                self._template = Template(pattern, GROUPS, views)
            except SettingsError as error:
                raise SettingsError(f"--names {pattern}: {error}") from error
            self.fields = self._template.fields
        else:
            self._expression = _expression(pattern)
            self.fields = frozenset(self._expression.groupindex)

    def read(self, shown: str) -> Named:
        """Give what the path of a file below the hot folder says.

        A name of more than 200 characters is left out: a shortened one would be that of another part.
        """
        path = as_text(shown).replace("\\", "/")
        if self._template is not None:
            ways = self._template.ways(path)
        else:
            found = self._expression.search(path) if self._expression else None
            ways = [] if found is None else [found.groupdict()]
        if not ways:
            return Named(fault=f"does not fit --names {self._pattern}")
        if len(ways) > 1:
            said = " or ".join(", ".join(f"{name} {text}" for name, text in way.items()) for way in ways[:2])
            return Named(fault=f"can be read by --names {self._pattern} as {said}, so neither is taken")
        taken: dict[str, Any] = {
            name: text for name, text in ways[0].items() if text and len(text) <= LONGEST_NAME
        }
        return Named(Origin(**taken))


def _expression(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise SettingsError(f"--names {pattern}: this is no regular expression ({error})") from error
    unknown = set(compiled.groupindex) - set(GROUPS)
    if unknown or not compiled.groupindex:
        named = f"names {', '.join(sorted(unknown))}" if unknown else "names no group"
        raise SettingsError(
            f"--names {pattern}: it {named}; write a template such as {{serial}}_{{view}}, or a regular "
            f"expression with groups such as (?P<serial>...); there are {', '.join(GROUPS)}"
        )
    return compiled
