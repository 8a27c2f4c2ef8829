"""Old names of settings, which files and options may still use for one release."""

from __future__ import annotations

from typing import Any

RENAMED = {
    "attention.trust": "attention.pretraining_weight",
    "recovery.rehearsal": "recovery.replay",
}
"""The new name of each, section first."""


def with_new_names(section: str, values: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Give the values of a section under their new names, and the old names that were used, in full."""
    full = {key: f"{section}.{key}" for key in values}
    renamed = {RENAMED.get(full[key], full[key]).partition(".")[2]: values[key] for key in values}
    return renamed, tuple(name for name in full.values() if name in RENAMED)
