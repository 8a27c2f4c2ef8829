"""How a hot folder is watched, what was done so far, and who is notified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from excision.errors import SettingsError
from excision.station.hot_folder.names import NamePattern
from excision.station.parts.settings import PartsSettings
from excision.station.parts.verdict import PartVerdict
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
        names: template of paths below the hot folder, such as "{serial}_{view}", or a regular expression that
            is searched for in them: serial, lot, recipe and view of the result. None takes nothing from them.
        parts: how views are put together to parts, and which codes are read; None for neither.
        station: name that results carry; None for none.
    """

    after: Literal["leave", "move"] = "leave"
    settle: float = 1.0
    stop_after: int | None = None
    idle_exit: float | None = None
    also: tuple[Format, ...] = ()
    order: Literal["oldest", "newest"] | None = None
    stale: float = 60.0
    names: str | None = None
    parts: PartsSettings | None = None
    station: str | None = None

    def __post_init__(self) -> None:
        self._check_names()
        if not self.stale >= 0:
            raise SettingsError(f"--stale is {self.stale:g}: it must be 0 seconds or more")
        if self.settle < 0:
            raise SettingsError(f"--settle is {self.settle:g}: it must be 0 seconds or more")
        if self.stop_after is not None and self.stop_after < 1:
            raise SettingsError(f"--stop-after is {self.stop_after}: it must be at least 1")
        if self.idle_exit is not None and self.idle_exit < 0:
            raise SettingsError(f"--idle-exit is {self.idle_exit:g}: it must be 0 seconds or more")

    @property
    def pattern(self) -> NamePattern | None:
        """Give what reads the names of files; None where nothing is taken from them."""
        views = () if self.parts is None else self.parts.views
        return None if self.names is None else NamePattern(self.names, views)

    def _check_names(self) -> None:
        pattern = self.pattern
        fields = frozenset[str]() if pattern is None else pattern.fields
        if self.parts is None or not self.parts.views:
            return
        views = ", ".join(self.parts.views)
        if "view" not in fields:
            raise SettingsError(
                f"[parts] has the views {views}, but nothing says which of them a file shows: add --names, "
                'such as --names "{serial}_{view}"'
            )
        if "serial" not in fields and not self.parts.formats:
            raise SettingsError(
                f"nothing says which images of {views} show the same part: name {{serial}} in --names, or "
                "set code in [parts] to read it from the images"
            )


@dataclass(slots=True)
class WatchCounts:
    """What this watcher has done so far.

    Attributes:
        good: images of that verdict; the same for `review`, `defect` and `unfit`.
        failed: images that could not be inspected.
        moved: files that were moved, also those that an earlier watcher had inspected.
        waiting: files that are in the folder and not dealt with.
        parts: number of parts of each verdict; empty where none are put together.
        open_parts: those without a verdict.
        last: path of the last image, and what was found.
    """

    good: int = 0
    review: int = 0
    defect: int = 0
    unfit: int = 0
    failed: int = 0
    moved: int = 0
    waiting: int = 0
    parts: dict[PartVerdict, int] = field(default_factory=dict)
    open_parts: int = 0
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
