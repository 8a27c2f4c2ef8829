"""What all verbs print with: results on standard output, progress on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from excision.errors import SettingsError

screen = Console(highlight=False, soft_wrap=True, markup=False)
notes = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)


class Bars:
    """Progress bars on standard error, one a stage; silent where that is no terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def stage(self, what: str, done: int, total: int) -> None:
        """Move the bar of a stage, and make it on first sight."""
        self._move(what, done, total, "")

    def training(self, step: int, total: int, figures: dict[str, float]) -> None:
        """Move the bar of the training, with its loss and speed."""
        told = f"loss {figures['loss']:.3f}  {figures['images_per_second']:.0f} crops/s"
        self._move("training", step, total, told)

    def part(self, what: str) -> Callable[[int, int], None]:
        """Give a callback (done, total) for one stage."""

        def move(done: int, total: int) -> None:
            self.stage(what, done, total)

        return move

    def _move(self, what: str, done: int, total: int, told: str) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total, told=told)
        self._progress.update(self._tasks[what], completed=done, total=total, told=told)


@contextmanager
def bars() -> Iterator[Bars]:
    """Show progress bars with time taken and time left, for the length of a block."""
    columns = (
        TextColumn("{task.description:>12}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=notes, disable=not notes.is_terminal) as progress:
        yield Bars(progress)


def table(title: str, rows: list[tuple[str, Any]]) -> None:
    """Print names and values in two columns."""
    grid = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(name, figure(value))
    screen.print(grid)


def figure(value: Any) -> str:
    """Write a value as a person would: four digits, and a dash for what is not known."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def rate(text: str) -> float:
    """Read a rate written as 0.01 or as 1%.

    Raises:
        SettingsError: it is neither.
    """
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        raise SettingsError(f'"{text}" is no rate: write 0.01 or 1%') from None
