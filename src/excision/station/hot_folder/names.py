"""What the path of a file in a hot folder says of the part."""

from __future__ import annotations

import re

from excision.errors import SettingsError
from excision.station.store.records import LONGEST_NAME, UNKNOWN, Origin, as_text

GROUPS = ("serial", "lot", "view")
"""Names of groups that a pattern may have."""


def check_pattern(pattern: str) -> re.Pattern[str]:
    """Compile the pattern of paths.

    Raises:
        SettingsError: it is no regular expression, or names a group that a result does not have, or none.
    """
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise SettingsError(f"--names {pattern}: this is no regular expression ({error})") from error
    unknown = set(compiled.groupindex) - set(GROUPS)
    if unknown or not compiled.groupindex:
        named = f"names {', '.join(sorted(unknown))}" if unknown else "names no group"
        raise SettingsError(
            f"--names {pattern}: it {named}; there are (?P<serial>...), (?P<lot>...) and (?P<view>...)"
        )
    return compiled


def origin_of(shown: str, pattern: str | None) -> Origin:
    """Give what the path of a file below the hot folder says; nothing where the pattern is not found in it.

    A name of more than 200 characters is left out: a shortened one would be that of another part.
    """
    found = None if pattern is None else re.search(pattern, as_text(shown).replace("\\", "/"))
    if found is None:
        return UNKNOWN
    said = {name: text for name, text in found.groupdict().items() if text and len(text) <= LONGEST_NAME}
    return Origin(serial=said.get("serial"), lot=said.get("lot"), view=said.get("view"))
