"""Watching a hot folder: every file that is dropped there is inspected once, whatever stops in between."""

from __future__ import annotations

import math
import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import accumulate
from pathlib import Path

from excision.errors import ResultsError, SettingsError
from excision.predictions import Predictor
from excision.station.hot_folder.file_work import FileWork
from excision.station.hot_folder.folder import HotFile, HotFolder
from excision.station.hot_folder.hold import FolderHold
from excision.station.hot_folder.part_work import putting_together
from excision.station.hot_folder.patience import AGAIN, Patience
from excision.station.hot_folder.scan import state_of, within
from excision.station.hot_folder.settings import Listeners, WatchCounts, WatchSettings
from excision.station.lock import only_watcher
from excision.station.parts.parts import Parts
from excision.station.store.connection import RESULTS
from excision.station.store.store import Store
from excision.station.store.tables import LiveTable
from excision.visualization.overlays import OVERLAYS

_WORK = 2.0  # seconds of inspecting after which the folder is looked at again
_LOOK_SHARE = 5  # of the time, looking takes one part in so many at most
_OLD = 3600.0  # seconds after which a half written overlay belongs to no living process


def watch(
    predictor: Predictor,
    identity: tuple[str, str],
    folder: Path,
    out: Path,
    settings: WatchSettings,
    listeners: Listeners,
) -> WatchCounts:
    """Inspect each file of a folder once it is whole, until asked to stop.

    A file is known by its path, size and time of writing: as long as these stay, it is inspected once, also
    by several watchers one after another. Its result is on disk before the file is touched. While the disk is
    full or the results are locked, it waits; a file that nothing can be done with has a result that says so.

    Args:
        predictor: what inspects.
        identity: name and version of the model.
        folder: hot folder, searched with everything below it.
        out: folder for `results.sqlite`, overlays, tables, and what is moved.
        settings: how.
        listeners: whom to ask and to tell.

    Raises:
        SettingsError: the folder does not exist or cannot be watched with this `out`, another watcher has
            either of them, or pyarrow is missing.
        ResultsError: the results cannot be opened, are damaged, or were replaced.
        ModelError: the model cannot compute any image.
    """
    folder, out = check_folders(folder, out)
    try:
        with ExitStack() as stack:
            stack.enter_context(only_watcher(out))
            hold = stack.enter_context(FolderHold(folder, listeners.note))
            _remove_old_halves(out)
            store = Store(out / RESULTS)
            stack.callback(store.close)
            tables = [
                stack.enter_context(LiveTable(store, out / f"results.{form}", form)) for form in settings.also
            ]
            counts = WatchCounts()
            parts = stack.enter_context(putting_together(store, out, settings, counts, listeners))
            work = FileWork(predictor, identity, out, settings, listeners, store, tables, counts, parts)
            hot = HotFolder(folder, out, settings.settle, work.phase_of, listeners.note)
            patience = Patience(out / RESULTS, settings.idle_exit, listeners.note)
            watcher = _Watcher(hot, hold, work, patience, settings, listeners, parts)
            listeners.ready()
            return watcher.run()
    except sqlite3.Error as error:
        raise ResultsError(f"{out / RESULTS}: cannot be written ({error})") from error


def check_folders(folder: Path, out: Path) -> tuple[Path, Path]:
    """Return both folders resolved.

    Raises:
        SettingsError: the hot folder does not exist, or is part of the results.
    """
    if not folder.is_dir():
        raise SettingsError(f"{folder}: there is no such folder to watch")
    folder, out = folder.resolve(), out.resolve()
    if within(str(folder), str(out)):
        raise SettingsError(f"{folder} is part of the results: choose an --out that does not hold it")
    return folder, out


def _remove_old_halves(out: Path) -> None:
    """Remove what killed processes left in the folder of overlays."""
    if not (out / OVERLAYS).is_dir():
        return
    before = time.time() - _OLD
    with os.scandir(out / OVERLAYS) as entries:
        for entry in entries:
            if entry.name.startswith(".") and entry.stat(follow_symlinks=False).st_mtime < before:
                Path(entry.path).unlink(missing_ok=True)


class _Watcher:
    def __init__(
        self,
        folder: HotFolder,
        hold: FolderHold,
        work: FileWork,
        patience: Patience,
        settings: WatchSettings,
        listeners: Listeners,
        parts: Parts | None,
    ) -> None:
        self._parts = parts
        self._folder, self._hold, self._work = folder, hold, work
        self._patience, self._settings, self._listeners = patience, settings, listeners
        self._counts = work.counts

    def run(self) -> WatchCounts:
        busy = time.monotonic()
        while not self._ended():
            start, spent, done, ready = time.monotonic(), 0.0, 0, list[HotFile]()
            with self._patience.attempt():
                ready = self._in_order(self._folder.look()) if self._hold.renew() else []
                spent = time.monotonic() - start
                done = self._work_on(ready, until=time.monotonic() + max(_WORK, _LOOK_SHARE * spent))
            self._counts.waiting = self._folder.waiting - done
            self._counts.open_parts = 0 if self._parts is None else self._parts.waiting
            self._listeners.progress(self._counts)
            now = time.monotonic()
            if self._patience.waits:
                self._pause(AGAIN)
                continue
            if self._folder.settling or done or self._counts.open_parts:
                busy = now
            elif self._settings.idle_exit is not None and now - busy >= self._settings.idle_exit:
                break
            if done == len(ready):
                interval = min(max(self._settings.settle / 2, 0.05), 1.0)
                self._pause(max(interval, (_LOOK_SHARE - 1) * spent))
        self._work.close()
        return self._counts

    def _in_order(self, ready: list[HotFile]) -> list[HotFile]:
        """Give files, the oldest first, in the order in which they are inspected."""
        order = self._settings.order
        if order is None:
            waited = max((file.waited(self._settings.settle) for file in ready), default=0.0)
            order = "newest" if waited > self._settings.stale else "oldest"
        return ready[::-1] if order == "newest" else ready

    def _ended(self) -> bool:
        enough = self._settings.stop_after
        return self._listeners.stop() or (enough is not None and self._counts.results >= enough)

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        # A signal does not end a sleep: short ones let a request to stop be seen soon.
        while not self._listeners.stop() and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))

    def _work_on(self, ready: Sequence[HotFile], until: float) -> int:
        """Deal with files one after another until that time, and give how many were dealt with."""
        came = [file.came if file.phase == "settling" else math.inf for file in ready]
        waiting = list(accumulate(reversed(came), min, initial=self._folder.complete_until))[::-1]
        again = math.inf
        for done, file in enumerate(ready):
            # Before the file: it may have come after the deadline of the part that it shows.
            self._give_up(min(again, waiting[done]))
            if self._ended() or time.monotonic() > until:
                return done
            if state_of(file.path) == (file.size, file.mtime_ns):
                self._work.deal_with(file)
            self._counts.waiting = self._folder.waiting - done - 1
            self._listeners.progress(self._counts)
            if file.phase == "settling":
                again = min(again, file.came)
        self._give_up(min(again, waiting[-1]))
        return len(ready)

    def _give_up(self, until: float) -> None:
        if self._parts is not None:
            self._parts.give_up(until)
