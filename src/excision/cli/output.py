"""Printing results on stdout; progress goes to stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from excision.system.names import printable

_NARROWEST = 20  # columns into which text is wrapped
_WIDEST = 1000  # columns of a table that is measured


def say(text: str = "") -> None:
    """Print a line of results as it is, so that paths and commands can be copied.

    A name may hold what a terminal would obey; such characters are printed as escapes.
    """
    print(printable(text, lines=True), flush=True)


def say_text(text: str) -> None:
    """Print sentences; on a terminal they are wrapped between words, elsewhere a line stays a line."""
    say(_wrapped(printable(text, lines=True)))


def _wrapped(text: str, indent: int = 0) -> str:
    """Wrap text for a terminal.

    Args:
        text: sentences; each line is wrapped by itself, and no word is broken, so that a path stays whole.
        indent: columns in front of the text, also in front of what is wrapped.
    """
    if not sys.stdout.isatty():
        return text
    import re
    import shutil
    import textwrap

    width = max(shutil.get_terminal_size().columns - indent, _NARROWEST)
    lines = []
    for line in text.split("\n"):
        # A number and its percent sign stay together.
        joined = re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", line)
        lines += textwrap.wrap(joined, width, break_long_words=False, break_on_hyphens=False) or [""]
    return f"\n{' ' * indent}".join(lines).replace("\N{NO-BREAK SPACE}%", " %")


def say_lines(lines: Iterable[str], total: int, where: str) -> None:
    """Print some lines of a longer list, and where the rest is.

    Args:
        lines: the first ones; a newline in one is printed as an escape.
        total: number of lines of the whole list.
        where: says where all of them are, such as "results.csv lists them all".
    """
    shown = list(lines)
    for line in shown:
        say(f"  {printable(line)}")
    if total > len(shown):
        say(f"  ... and {total - len(shown)} more; {where}")


def say_notes(notes: Iterable[str]) -> None:
    """Print how data were understood, a line each."""
    for note in notes:
        say_text(f"Note: {note}")


def say_red(text: str) -> None:
    """Print a line that must not be overlooked."""
    print(red(_wrapped(printable(text, lines=True)), sys.stdout), flush=True)


def red(text: str, stream: TextIO) -> str:
    """Give a text in red if the stream is a terminal, otherwise as it is."""
    return f"\x1b[31m{text}\x1b[0m" if stream.isatty() else text


def say_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Print names and values in two columns; a path is not wrapped."""
    rows = [(name, printable(str(value)), isinstance(value, Path)) for name, value in facts]
    width = max(len(name) for name, _, _ in rows)
    for name, value, whole in rows:
        say(f"{name:<{width}}  {value if whole else _wrapped(value, width + 2)}")


def say_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; columns of numbers are aligned at the right."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.measure import Measurement
    from rich.table import Table

    say(title)
    table = Table()
    for place, name in enumerate(head):
        figures = all(row[place][:1].isdigit() for row in rows)
        table.add_column(name, justify="right" if figures else "left")
    for row in rows:
        table.add_row(*(escape(printable(cell)) for cell in row))
    console = Console()
    unlimited = console.options.update(max_width=_WIDEST)
    if Measurement.get(console, unlimited, table).maximum > console.width:
        # Without lines around the cells more columns fit.
        table.box, table.show_edge, table.pad_edge, table.padding = SIMPLE_HEAD, False, False, (0, 1, 0, 0)
    console.print(table)


def many(count: int, one: str) -> str:
    """Write a number with its noun, whose plural ends in s."""
    return f"{count} {one}" if count == 1 else f"{count} {one}s"


def figure(value: object) -> str:
    """Format a value with four digits, and as a dash if it could not be measured."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
