"""How a person says which images belong together: `--groups`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from excision.errors import SettingsError

RuleKind = Literal["auto", "each", "folder", "column", "time", "pattern"]

AUTO = "auto"

_TIME = re.compile(r"time:\s*(\d+(?:\.\d+)?)\s*(s|min|h|d)?$")
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}

RULES = (
    '"auto" (found from names and content), "each" (every image is independent), "folder" (images of one '
    'folder), "column:NAME" (a column of the CSV table), "time:60s" (images taken within 60 s; also min, h '
    "and d), or a regular expression whose first parenthesis, or else whole match, is the group"
)


@dataclass(frozen=True, slots=True)
class GroupRule:
    """A rule that gives each image its group.

    Attributes:
        kind: what the group is read from.
        text: the rule as it was written.
        column: name of the column, of kind "column".
        seconds: length of the time, of kind "time".
        pattern: the regular expression, of kind "pattern".
    """

    kind: RuleKind
    text: str
    column: str = ""
    seconds: float = 0.0
    pattern: re.Pattern[str] | None = None

    @classmethod
    def parse(cls, text: str) -> GroupRule:
        """Read a rule: auto, each, folder, column:NAME, time:60s, or a regular expression.

        Raises:
            SettingsError: the text is none of these.
        """
        plain = text.strip()
        if plain == "auto":
            return cls("auto", plain)
        if plain == "each":
            return cls("each", plain)
        if plain == "folder":
            return cls("folder", plain)
        if plain == "column" or plain.startswith("column:"):
            return cls("column", plain, column=plain.partition(":")[2].strip().lower() or "group")
        if plain == "time" or plain.startswith("time:"):
            return cls("time", plain, seconds=_seconds(plain))
        return cls("pattern", plain, pattern=_compiled(plain))

    def match(self, name: str) -> str | None:
        """Give the group of a name by the regular expression; None if it does not match.

        The first parenthesis that took part is the group, or the whole match if there is none.
        """
        found = self.pattern.search(name) if self.pattern is not None else None
        if found is None:
            return None
        return next((part for part in found.groups() if part is not None), found[0])


def _seconds(text: str) -> float:
    found = _TIME.match(text)
    if found is None or float(found[1]) <= 0:
        raise SettingsError(
            f'groups: "{text}" is no length of time; write time:60s, time:5min, time:2h or time:1d'
        )
    return float(found[1]) * _SECONDS[found[2]]


def _compiled(text: str) -> re.Pattern[str]:
    if not text:
        raise SettingsError(f"groups: the rule is empty; known are {RULES}")
    try:
        return re.compile(text)
    except re.error as error:
        raise SettingsError(
            f'groups: "{text}" is no regular expression ({error}); known are {RULES}'
        ) from error
