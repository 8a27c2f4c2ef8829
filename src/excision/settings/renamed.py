"""Old names of settings, which files and options may use for one more release."""

from __future__ import annotations

from typing import Any

from excision.errors import SettingsError

RENAMED = {
    "attention.trust": "attention.pretraining_weight",
    "recovery.rehearsal": "recovery.replay",
}
"""The new name of each, section first."""


def with_new_names(sections: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Give the sections of a settings file under today's names, and the old names that the file uses.

    Raises:
        SettingsError: the file has a setting under both names.
    """
    renamed, old_names = dict(sections), []
    for old, new in RENAMED.items():
        section, _, name = old.partition(".")
        values = renamed.get(section)
        if isinstance(values, dict) and name in values:
            new_name = new.partition(".")[2]
            if new_name in values:
                raise SettingsError(f"{old} is now called {new}: keep one of the two")
            renamed[section] = {new_name if key == name else key: value for key, value in values.items()}
            old_names.append(old)
    return renamed, tuple(old_names)
