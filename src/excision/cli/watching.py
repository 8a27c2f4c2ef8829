"""The status line of a watcher: redrawn on a terminal; elsewhere a plain line now and then."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from excision.inspection import outcome
from excision.station.parts.verdict import PART_VERDICTS
from excision.system.names import printable

if TYPE_CHECKING:
    from excision.station.hot_folder.settings import WatchCounts

_PLAIN_EVERY = 10.0  # seconds between plain lines


class WatchLine:
    """Shows the progress of a watcher on stderr."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, refresh_per_second=4) if self._console.is_terminal else None
        self._said, self._said_at = "", 0.0

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, counts: WatchCounts) -> None:
        """Show the counts, if they have changed and enough time has passed."""
        text = counted(counts)
        if self._live is not None:
            last = f"   {counts.last}" if counts.last else ""
            self._live.update(
                Text(f"{text}, {counts.waiting} waiting{last}", no_wrap=True, overflow="ellipsis")
            )
        elif text != self._said and time.monotonic() - self._said_at >= _PLAIN_EVERY:
            self._said, self._said_at = text, time.monotonic()
            self.note(f"{text}, {counts.waiting} waiting")

    def note(self, sentence: str) -> None:
        """Print a sentence that stays on the screen."""
        sentence = printable(sentence)
        if self._live is not None:
            self._console.print(Text(sentence))
        else:
            print(sentence, file=sys.stderr, flush=True)


def counted(counts: WatchCounts) -> str:
    """Format the counts of results."""
    text = outcome.counted(
        {
            "good": counts.good,
            "review": counts.review,
            "defect": counts.defect,
            "unfit": counts.unfit,
            None: counts.failed,
        }
    )
    text = f"{text}, {counts.moved} moved" if counts.moved else text
    parts = [f"{counts.parts[verdict]} {verdict}" for verdict in PART_VERDICTS if verdict in counts.parts]
    if counts.open_parts:
        parts.append(f"{counts.open_parts} without a verdict")
    return f"{text}; parts: {', '.join(parts)}" if parts else text
