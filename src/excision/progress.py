"""Progress of long work: callbacks that report it, and bars that show it on stderr."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import TaskID

Progress = Callable[[int, int], None]
"""Called with the amount done and the total."""

StageProgress = Callable[[str, int, int], None]
"""Called with the name of a stage, the amount done and the total."""

TrainingProgress = Callable[[int, int, dict[str, float]], None]
"""Called with the number of finished steps, the total, and figures of the last step."""


def of_stage(progress: StageProgress | None, stage: str) -> Progress:
    """Return the callback of one stage; it does nothing if there is no callback to pass it on to."""
    return partial(progress, stage) if progress is not None else lambda *_: None


_PLAIN_EVERY = 10.0
"""Seconds between the lines about a stage where there is no terminal."""


class Shown:
    """Shows the progress of long work, stage by stage."""

    def stage(self, what: str, done: int, total: int, figures: str = "") -> None:
        """Say how far the stage named `what` is, which begins with its first call."""
        raise NotImplementedError

    def part(self, what: str) -> Progress:
        """Return a callback (done, all) for the stage named `what`."""
        return lambda done, total: self.stage(what, done, total)

    def training(self, step: int, total: int, figures: dict[str, float]) -> None:
        """Say how far a training is, with its loss, and its speed if known."""
        shown = f"loss {figures['loss']:.4g}"
        if "images_per_second" in figures:
            shown += f"  {figures['images_per_second']:.0f} images/s"
        self.stage("training", step, total, shown)


class Bars(Shown):
    """Progress bars on stderr, one per stage; without a terminal, lines that appear as the work goes on."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self._plain = None if console.is_terminal else _Lines()
        self._progress = Progress(
            TextColumn("{task.description:<20}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.fields[figures]}"),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        if self._plain is None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._plain is None:
            self._progress.stop()

    def stage(self, what: str, done: int, total: int, figures: str = "") -> None:
        """Move the bar named `what`, which appears with its first call."""
        if self._plain is not None:
            self._plain.stage(what, done, total, figures)
            return
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total, figures="")
        self._progress.update(self._tasks[what], completed=done, total=total, figures=figures)

    @property
    def live(self) -> bool:
        """Whether bars move on a terminal."""
        return self._plain is None

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        if self._plain is None:
            self._progress.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def remove(self, what: str) -> None:
        """Take away the bar named `what`; a later stage of that name begins anew."""
        if what in self._tasks:
            self._progress.remove_task(self._tasks.pop(what))


class _Lines:
    """Prints a line when a stage begins, when it ends, and now and then between."""

    def __init__(self) -> None:
        self._begun: dict[str, tuple[float, int]] = {}
        self._printed: dict[str, float] = {}

    def stage(self, what: str, done: int, total: int, figures: str) -> None:
        now = time.monotonic()
        (begun, first), finished = self._begun.setdefault(what, (now, done)), done >= total
        printed = self._printed.get(what)
        if finished and printed == math.inf:
            return
        if printed is not None and not finished and now - printed < _PLAIN_EVERY:
            return
        self._printed[what] = math.inf if finished else now
        took = f"  {now - begun:.1f} s" if finished else ""
        if not finished and done > first:
            took = f"  about {_duration((now - begun) * (total - done) / (done - first))} left"
        print(f"{what:<20} {done}/{total}{took}  {figures}".rstrip(), file=sys.stderr, flush=True)


def _duration(seconds: float) -> str:
    """Give a time in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
