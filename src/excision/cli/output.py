"""Printing results on stdout; progress goes to stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

from excision.system.names import printable


def say(text: str = "") -> None:
    """Print a line of results; long lines are not wrapped, so that paths can be copied.

    A name may hold what a terminal would obey; such characters are printed as escapes.
    """
    print(printable(text, lines=True), flush=True)


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
        say(f"Note: {note}")


def say_red(text: str) -> None:
    """Print a line that must not be overlooked."""
    print(red(printable(text, lines=True), sys.stdout), flush=True)


def red(text: str, stream: TextIO) -> str:
    """Give a text in red if the stream is a terminal, otherwise as it is."""
    return f"\x1b[31m{text}\x1b[0m" if stream.isatty() else text


def say_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Print names and values in two columns."""
    rows = [(name, printable(str(value))) for name, value in facts]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        say(f"{name:<{width}}  {value}")


def say_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; columns of numbers are aligned at the right."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    say(title)
    table = Table()
    for place, name in enumerate(head):
        figures = all(row[place][:1].isdigit() for row in rows)
        table.add_column(name, justify="right" if figures else "left")
    for row in rows:
        table.add_row(*(escape(printable(cell)) for cell in row))
    Console().print(table)


def figure(value: object) -> str:
    """Format a value with four digits, and as a dash if it could not be measured."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
