"""What the verbs say: results on stdout, progress on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table


def say(text: str = "") -> None:
    """Print a line of results as it stands; long lines are not broken, so that paths can be copied."""
    print(text, flush=True)


def say_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Print names and values, the values below each other."""
    rows = [(name, str(value)) for name, value in facts]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        say(f"{name:<{width}}  {value}")


def say_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; columns of figures stand at the right."""
    say(title)
    table = Table()
    for place, name in enumerate(head):
        figures = all(row[place][:1].isdigit() for row in rows)
        table.add_column(name, justify="right" if figures else "left")
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)


def figure(value: object) -> str:
    """Write a value for reading: four digits, and a dash for what could not be measured."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class Bars:
    """Progress bars on stderr, one a stage; where stderr is no terminal each is printed once, when done."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<20}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.fields[figures]}"),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def part(self, what: str) -> Callable[[int, int], None]:
        """Give a callback (done, all) for the bar named `what`."""
        return lambda done, total: self.stage(what, done, total)

    def stage(self, what: str, done: int, total: int, figures: str = "") -> None:
        """Move the bar named `what`, which appears when first named."""
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total, figures="")
        self._progress.update(self._tasks[what], completed=done, total=total, figures=figures)

    def training(self, step: int, total: int, figures: dict[str, float]) -> None:
        """Move the bar of a training and show its loss, and its rate where known."""
        shown = f"loss {figures['loss']:.4g}"
        if "images_per_second" in figures:
            shown += f"  {figures['images_per_second']:.0f} images/s"
        self.stage("training", step, total, shown)
