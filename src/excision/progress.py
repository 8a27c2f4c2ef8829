"""Progress of long work: what is reported, and bars that show it on stderr."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


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
