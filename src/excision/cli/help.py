"""`--help` shows the options that most people need; `--help-all` shows every option."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cyclopts.help import HelpPanel
    from cyclopts.help.formatters import DefaultFormatter
    from rich.console import Console, ConsoleOptions

HELP_ALL = "--help-all"

MORE_SETTINGS = "More settings: "
"""The titles of the panels that only `--help-all` shows begin with this."""


class CommonOptions:
    """Prints a help text without the panels that are for `--help-all`; rich is imported once it is needed."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        if not str(panel.title).startswith(MORE_SETTINGS):
            self._formatter(console, options, panel)

    def render_usage(self, console: Console, options: ConsoleOptions, usage: Any) -> None:
        """Print the line that begins with "Usage:"."""
        self._formatter.render_usage(console, options, usage)

    def render_description(self, console: Console, options: ConsoleOptions, description: Any) -> None:
        """Print the sentence that says what a verb does."""
        self._formatter.render_description(console, options, description)

    @cached_property
    def _formatter(self) -> DefaultFormatter:
        from cyclopts.help.formatters import DefaultFormatter

        return DefaultFormatter()
