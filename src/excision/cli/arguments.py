"""What is done with the words of a command line before they are parsed."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from excision.cli.help import HELP_ALL
from excision.errors import RenamedWarning

_END_OF_OPTIONS = "--"


def split_help_all(words: Sequence[str]) -> tuple[list[str], bool]:
    """Replace `--help-all` by `--help`, and tell whether it was there."""
    options, rest = _split(words)
    plain = ["--help" if word == HELP_ALL else word for word in options]
    return plain + rest, HELP_ALL in options


def with_new_names(words: Sequence[str]) -> list[str]:
    """Replace old names of options by those of today, each with a RenamedWarning."""
    options, rest = _split(words)
    return [
        _with_new_name(word) if word.startswith("--") and "." in word else word for word in options
    ] + rest


def _with_new_name(word: str) -> str:
    # The settings take time to import, and most verbs need none.
    from excision.settings.renamed import RENAMED

    name, equals, value = word.partition("=")
    old = name.replace("_", "-")
    new = {option_name(before): option_name(now) for before, now in RENAMED.items()}.get(old)
    if new is None:
        return word
    warnings.warn(f"the option {old} is now called {new}", RenamedWarning, stacklevel=3)
    return f"{new}{equals}{value}"


def option_name(setting: str) -> str:
    """Give the option of a setting: `--mask.fill` of "mask.fill"."""
    return f"--{setting.replace('_', '-')}"


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split a command line at `--`, after which nothing is an option."""
    end = words.index(_END_OF_OPTIONS) if _END_OF_OPTIONS in words else len(words)
    return list(words[:end]), list(words[end:])
