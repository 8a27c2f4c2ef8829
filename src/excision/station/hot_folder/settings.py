"""How a hot folder is watched, what was done so far, and who is notified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from excision.errors import SettingsError
from excision.station.hot_folder.names import check_pattern
from excision.station.store.tables import Format


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """How a hot folder is watched.

    Attributes:
        after: "leave" inspected files where they are, or "move" them to `good`, `review`, `defect`, `unfit`
            or `failed` in the folder of results.
        settle: seconds over which size and time of a file must not change before it counts as complete.
        stop_after: results after which to end; None for no end.
        idle_exit: seconds without anything to do after which to end; None for no end.
        also: tables to write beside the store.
        order: "oldest" or "newest" files first; None for the oldest, until one has waited for `stale`.
        stale: seconds after which a waiting file makes the newest go first.
        names: regular expression that is searched for in the path of a file below the hot folder; what its
            groups `serial`, `lot` and `view` match belongs to the result. None takes nothing from it.
    """

    after: Literal["leave", "move"] = "leave"
    settle: float = 1.0
    stop_after: int | None = None
    idle_exit: float | None = None
    also: tuple[Format, ...] = ()
    order: Literal["oldest", "newest"] | None = None
    stale: float = 60.0
    names: str | None = None

    def __post_init__(self) -> None:
        if self.names is not None:
            check_pattern(self.names)
        if not self.stale >= 0:
            raise SettingsError(f"--stale is {self.stale:g}: it must be 0 seconds or more")
        if self.settle < 0:
            raise SettingsError(f"--settle is {self.settle:g}: it must be 0 seconds or more")
        if self.stop_after is not None and self.stop_after < 1:
            raise SettingsError(f"--stop-after is {self.stop_after}: it must be at least 1")
        if self.idle_exit is not None and self.idle_exit < 0:
            raise SettingsError(f"--idle-exit is {self.idle_exit:g}: it must be 0 seconds or more")


@dataclass(slots=True)
class WatchCounts:
    """What this watcher has done so far.

    Attributes:
        good: images of that verdict; the same for `review`, `defect` and `unfit`.
        failed: images that could not be inspected.
        moved: files that were moved, also those that an earlier watcher had inspected.
        waiting: files that are in the folder and not dealt with.
        last: path of the last image, and what was found.
    """

    good: int = 0
    review: int = 0
    defect: int = 0
    unfit: int = 0
    failed: int = 0
    moved: int = 0
    waiting: int = 0
    last: str = ""

    @property
    def results(self) -> int:
        """Give the number of results."""
        return self.good + self.review + self.defect + self.unfit + self.failed


@dataclass(frozen=True, slots=True)
class Listeners:
    """Whom a watcher tells.

    Attributes:
        stop: asked between images whether to end.
        progress: called with the counts whenever they may have changed.
        note: called with a sentence that a person should read.
        ready: called once the folder and the results are held, before the first image.
    """

    stop: Callable[[], bool]
    progress: Callable[[WatchCounts], None]
    note: Callable[[str], None]
    ready: Callable[[], None] = lambda: None
