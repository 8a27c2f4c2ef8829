"""The parts of a hot folder: put together as the station does, counted, told of, and written to tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from excision.station.hot_folder.settings import Listeners, WatchCounts, WatchSettings
from excision.station.lock import only_parts
from excision.station.parts.parts import Parts
from excision.station.parts.rows import Part
from excision.station.parts.table import LivePartTable
from excision.station.store.store import Store
from excision.system.names import printable


@contextmanager
def putting_together(
    store: Store,
    out: Path,
    settings: WatchSettings,
    counts: WatchCounts,
    listeners: Listeners,
) -> Iterator[Parts | None]:
    """Put the results of a hot folder together to parts; None where its settings have no parts.

    Args:
        store: of the results.
        out: folder of the results; tables of the parts are written beside those of the results.
        settings: how the folder is watched.
        counts: in which parts are counted.
        listeners: whom to tell of each verdict.

    Raises:
        SettingsError: another process puts the parts of this folder together, or a library is missing.
    """
    if settings.parts is None:
        yield None
        return
    with ExitStack() as stack:
        stack.enter_context(only_parts(out, "--out"))
        tables = [
            stack.enter_context(LivePartTable(store, out / f"parts.{form}", form)) for form in settings.also
        ]
        parts = Parts(store, settings.parts, by_clock=False)
        stack.callback(parts.close)
        parts.listen(lambda part: _tell(part, counts, listeners, tables))
        yield parts


def _tell(part: Part, counts: WatchCounts, listeners: Listeners, tables: Sequence[LivePartTable]) -> None:
    verdict = part.verdict or "fault"
    counts.parts[verdict] = counts.parts.get(verdict, 0) + 1
    named = "" if part.serial is None else f", serial {part.serial}"
    reason = f" ({part.reason})" if part.reason else ""
    listeners.note(printable(f"part {part.id}{named}: {verdict}{reason}"))
    for table in tables:
        try:
            table.add(part)
        except OSError as error:
            # The verdict is in the store, and the table is whole again after the next start.
            listeners.note(f"a table of parts cannot be written now ({error.strerror})")
