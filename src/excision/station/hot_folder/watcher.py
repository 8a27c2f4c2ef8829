"""Watching a hot folder: every file that is dropped there is inspected once, whatever stops in between."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from excision.data.decode import probe_image
from excision.errors import ImageError, ModelError, ResultsError, SettingsError
from excision.inspection.batch import inspect_file
from excision.inspection.drift import DriftWarning
from excision.inspection.log import InspectionRecord
from excision.predictions import Predictor
from excision.station.drift import Drift
from excision.station.hot_folder.folder import HotFile, HotFolder, Phase
from excision.station.hot_folder.hold import FolderHold
from excision.station.hot_folder.moving import free_path, move_file
from excision.station.hot_folder.patience import AGAIN, Patience
from excision.station.hot_folder.scan import Found, state_of, within
from excision.station.hot_folder.settings import Listeners, WatchCounts, WatchSettings
from excision.station.lock import only_watcher
from excision.station.store.connection import RESULTS
from excision.station.store.faults import DISK
from excision.station.store.records import StoredResult, as_text
from excision.station.store.store import Store
from excision.station.store.tables import LiveTable
from excision.system.names import printable
from excision.visualization.overlays import OVERLAYS

_TRIES = 2  # of a file that cannot be read
_MOVE_AGAIN = 30.0  # seconds until a move that failed is tried again
_WORK = 2.0  # seconds of inspecting after which the folder is looked at again
_LOOK_SHARE = 5  # of the time, looking takes one part in so many at most
_IN_VAIN = 6  # failures of the model after which it counts as damaged, if no image succeeded
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
            watcher = _Watcher(predictor, identity, folder, out, settings, listeners, store, tables, hold)
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
        predictor: Predictor,
        identity: tuple[str, str],
        folder: Path,
        out: Path,
        settings: WatchSettings,
        listeners: Listeners,
        store: Store,
        tables: Sequence[LiveTable],
        hold: FolderHold,
    ) -> None:
        self._predictor, self._identity = predictor, identity
        self._out, self._settings, self._listeners = out, settings, listeners
        self._store, self._tables = store, tables
        self._folder = HotFolder(folder, out, settings.settle, self._phase_of, listeners.note)
        self._counts = WatchCounts()
        self._hold = hold
        self._patience = Patience(out / RESULTS, settings.idle_exit, listeners.note)
        self._in_vain = 0
        self._drift = Drift(store, self._known, self._warn_of_drift)

    def run(self) -> WatchCounts:
        busy = time.monotonic()
        while not self._ended():
            start, spent, done, ready = time.monotonic(), 0.0, 0, list[HotFile]()
            with self._patience.attempt():
                ready = self._in_order(self._folder.look()) if self._hold.renew() else []
                spent = time.monotonic() - start
                done = self._work_on(ready, until=time.monotonic() + max(_WORK, _LOOK_SHARE * spent))
            self._counts.waiting = self._folder.waiting - done
            self._listeners.progress(self._counts)
            now = time.monotonic()
            if self._patience.waits:
                self._pause(AGAIN)
                continue
            if self._folder.settling or done:
                busy = now
            elif self._settings.idle_exit is not None and now - busy >= self._settings.idle_exit:
                break
            if done == len(ready):
                interval = min(max(self._settings.settle / 2, 0.05), 1.0)
                self._pause(max(interval, (_LOOK_SHARE - 1) * spent))
        self._drift.close()
        return self._counts

    def _known(self, model: str, weights: str) -> Predictor | None:
        return self._predictor if (model, weights) == self._identity else None

    def _warn_of_drift(self, warning: DriftWarning) -> None:
        self._listeners.note(f"drift: {printable(warning.words)}")

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

    def _phase_of(self, found: Found) -> Phase:
        if not self._store.has_file(found.path, found.size, found.mtime_ns):
            return "settling"
        return "moving" if self._settings.after == "move" else "done"

    def _work_on(self, ready: Sequence[HotFile], until: float) -> int:
        """Deal with files one after another until that time, and give how many were dealt with."""
        for done, file in enumerate(ready):
            if self._ended() or time.monotonic() > until:
                return done
            if state_of(file.path) == (file.size, file.mtime_ns):
                self._deal_with(file)
            self._counts.waiting = self._folder.waiting - done - 1
            self._listeners.progress(self._counts)
        return len(ready)

    def _deal_with(self, file: HotFile) -> None:
        if file.phase == "moving":
            result = self._store.of_file(file.path, file.size, file.mtime_ns)
        else:
            result = self._inspect(file)
        if result is None:
            return
        if self._settings.after == "move":
            file.phase = "moving"
            self._move(file, result)
        else:
            file.finish()

    def _inspect(self, file: HotFile) -> StoredResult | None:
        """Inspect a file and keep the result; None where it changed meanwhile or is to be tried again."""
        path = Path(file.path)
        line = self._line(path, f"{file.size} {file.mtime_ns}")
        size = _size_of(path)
        if state_of(file.path) != (file.size, file.mtime_ns):
            # Still being written, or gone: the next look shows which.
            return None
        if line.verdict is None:
            file.tries += 1
            if file.tries < _TRIES:
                file.ready_at = time.monotonic() + self._settings.settle
                return None
        result = self._result(file, line, size)
        (number,) = self._store.add([result])
        if number is None:
            return self._store.of_file(file.path, file.size, file.mtime_ns)
        result = dataclasses.replace(result, id=number)
        for table in self._tables:
            self._add_to(table, result)
        self._count(file, result)
        self._drift.count([result])
        return result

    def _line(self, path: Path, state: str) -> InspectionRecord:
        """Inspect a file; whatever is wrong with it becomes the error of its record, and stops nothing.

        Raises:
            ModelError: the model has not computed a single image so far, and not the last few either.
            OSError: the overlay cannot be written, because of the disk.
        """
        try:
            return inspect_file(self._predictor, path, self._out, state)
        except Exception as error:
            if isinstance(error, OSError) and error.errno in DISK:
                raise
            if isinstance(error, ModelError):
                self._in_vain += 1
                if self._in_vain >= _IN_VAIN and self._counts.results == self._counts.failed:
                    raise
            reason = f"{path}: cannot be inspected ({type(error).__name__}: {error})"
            self._listeners.note(printable(reason))
            return InspectionRecord(
                str(path), None, self._predictor.threshold, None, None, (), 0.0, overlay=None, error=reason
            )

    def _add_to(self, table: LiveTable, result: StoredResult) -> None:
        try:
            table.add(result)
        except OSError as error:
            # The result is in the store, and the row is written with a later one.
            self._listeners.note(f"a table cannot be written now ({error.strerror}); its rows follow later")

    def _result(self, file: HotFile, line: InspectionRecord, size: tuple[int, int] | None) -> StoredResult:
        moved = self._settings.after == "move"
        return StoredResult(
            time=time.time(),
            source=as_text(file.path),
            model=self._identity[0],
            model_version=self._identity[1],
            threshold=line.threshold,
            score=line.score,
            verdict=line.verdict,
            error=line.error,
            review_threshold=self._predictor.review_threshold,
            defect_area_share=line.defect_area_share,
            boxes=line.boxes,
            p_value=line.p_value,
            unfit=line.unfit,
            image_statistics=line.image_statistics or {},
            seconds={"total": line.seconds},
            width=None if size is None else size[1],
            height=None if size is None else size[0],
            image=self._free_image(file, line.verdict) if moved else None,
            file_size=file.size,
            file_mtime_ns=file.mtime_ns,
        )

    def _count(self, file: HotFile, result: StoredResult) -> None:
        kind = result.verdict or "failed"
        setattr(self._counts, kind, getattr(self._counts, kind) + 1)
        found = kind if result.score is None else f"{kind}, score {result.score:.4g}"
        self._counts.last = f"{printable(file.shown)}: {found}"

    def _free_image(self, file: HotFile, verdict: str | None) -> str:
        """Choose where a file is to go, relative to the folder of results."""
        # The store holds text alone, and what it says must be the name of the file.
        target = free_path(self._out / (verdict or "failed"), as_text(file.shown), file.mtime_ns)
        return str(target.relative_to(self._out))

    def _move(self, file: HotFile, result: StoredResult) -> None:
        if state_of(file.path) != (file.size, file.mtime_ns):
            # Another file has taken its path: it is inspected on its own.
            return
        try:
            if result.image is None or not self._moved_to(file, result.image):
                image = self._free_image(file, result.verdict)
                self._store.set_image(result.id, image)
                move_file(Path(file.path), self._out / image)
        except FileNotFoundError:
            # Somebody else took it; its result stays.
            return
        except OSError as error:
            file.ready_at = time.monotonic() + _MOVE_AGAIN
            reason = f"{error.strerror}: {printable(str(error.filename2 or error.filename))}"
            self._listeners.note(f"{printable(file.path)}: cannot be moved ({reason}); it is tried again")
            return
        self._counts.moved += 1
        file.finish()

    def _moved_to(self, file: HotFile, image: str) -> bool:
        """Move a file to the place that its result names; False where another file is there."""
        try:
            move_file(Path(file.path), self._out / image)
        except FileExistsError:
            return False
        return True


def _size_of(path: Path) -> tuple[int, int] | None:
    """Give (height, width) in pixels, or None where the file is no image."""
    try:
        return probe_image(path).size
    except ImageError:
        return None
