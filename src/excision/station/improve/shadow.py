"""Shadow mode: a challenger sees what the model in use sees, and its verdicts are kept, never given.

The model in use comes first. A challenger inspects in one thread of the lowest priority, and begins with an
image only while no accepted image waits for its answer. What it cannot see in time is dropped and counted.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from excision.errors import ExcisionError, SettingsError
from excision.station.models.version import Version, load_version
from excision.station.store.records import StoredResult
from excision.station.store.shadows import (
    ShadowRun,
    add_shadow_results,
    begin_shadow,
    end_shadow,
    shadow_runs,
)
from excision.station.work.kept_images import Images

if TYPE_CHECKING:
    from excision.predictions import Verdict
    from excision.station.store.store import Store

_LOG = logging.getLogger(__name__)

MOST_WAITING = 8
"""Results that may wait for a challenger; of more, the oldest is dropped."""

_LOOK = 0.05  # seconds between two looks at whether the station is idle
_LOWEST = 19  # of the priorities of a thread


@dataclass(eq=False)
class _Running:
    run: ShadowRun
    version: Version
    waiting: deque[StoredResult] = field(default_factory=deque)
    dropped: int = 0
    failed: int = 0


class Shadows:
    """The challengers that run beside the models of a station.

    Args:
        store: keeps what they would have said.
        images: kept images, which they see.
        station: folder of the station.
        is_busy: tells whether an accepted image waits for its answer.
    """

    def __init__(self, store: Store, images: Images, station: Path, is_busy: Callable[[], bool]) -> None:
        self._store, self._images, self._station, self._is_busy = store, images, station, is_busy
        self._running: dict[str, _Running] = {}
        self._change = threading.Condition()
        self._closed = False
        for run in shadow_runs(store, running=True):
            self._go_on(run)
        self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)
        self._thread.start()

    def begin(self, model: str, folder: Path, who: str) -> ShadowRun:
        """Let a challenger run beside a model; one that runs for it ends.

        Raises:
            ModelError: the folder holds no model, or one that does not say what it should.
            SettingsError: images are not all kept, so it would see none of the good parts.
        """
        if self._images.keep != "all":
            raise SettingsError(
                f"a challenger sees kept images, and this station keeps {self._images.keep}: start it with "
                "--keep all"
            )
        version = load_version(folder, 1)
        place = folder.resolve().relative_to(self._station.resolve()).as_posix()
        number = begin_shadow(self._store, model, place, version.version, version.threshold, who, time.time())
        run = next(each for each in shadow_runs(self._store, model, running=True) if each.id == number)
        with self._change:
            self._running[model] = _Running(run, version)
        return run

    def end(self, model: str) -> None:
        """End the challenger of a model, if one runs."""
        with self._change:
            running = self._running.pop(model, None)
        if running is not None:
            self._write(running, [])
            end_shadow(self._store, running.run.id, time.time())

    def of(self, model: str) -> ShadowRun | None:
        """Give the challenger that runs beside a model, or None."""
        running = self._running.get(model)
        return None if running is None else running.run

    def answered(self, results: Sequence[StoredResult]) -> None:
        """Note results that are on disk and answered; this takes microseconds."""
        if not self._running:
            return
        with self._change:
            for result in results:
                running = self._running.get(result.model)
                if running is None or result.score is None or not result.id:
                    continue
                running.waiting.append(result)
                if len(running.waiting) > MOST_WAITING:
                    running.waiting.popleft()
                    running.dropped += 1
            self._change.notify()

    def close(self) -> None:
        """End after the image under way; challengers go on after the next start."""
        with self._change:
            self._closed = True
            self._change.notify()
        self._thread.join()
        for running in self._running.values():
            running.dropped += len(running.waiting)
            with contextlib.suppress(ExcisionError):
                self._write(running, [])

    def _go_on(self, run: ShadowRun) -> None:
        try:
            version = load_version(self._station / run.folder, 1)
            if version.version != run.version:
                raise SettingsError(f"{run.folder} has changed")
            self._running[run.model] = _Running(run, version)
        except (ExcisionError, OSError) as error:
            _LOG.error("the challenger of %s cannot go on: %s", run.model, error)
            end_shadow(self._store, run.id, time.time())

    def _work(self) -> None:
        # Of Linux a thread has a priority of its own; elsewhere the station's idle moments have to do.
        with contextlib.suppress(AttributeError, OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST)
        while True:
            with self._change:
                while not self._closed and not self._next():
                    self._change.wait()
                if self._closed:
                    return
            if self._is_busy():
                time.sleep(_LOOK)
                continue
            with self._change:
                running = self._next()
                result = running.waiting.popleft() if running is not None else None
            if running is not None and result is not None:
                self._inspect(running, result)

    def _next(self) -> _Running | None:
        return next((each for each in self._running.values() if each.waiting), None)

    def _inspect(self, running: _Running, result: StoredResult) -> None:
        found: list[tuple[int, float, Verdict, float]] = []
        path = self._images.find(result.image)
        try:
            if path is None:
                running.failed += 1
            else:
                start = time.perf_counter()
                prediction = running.version.inspect(path)
                seconds = round(time.perf_counter() - start, 6)
                found.append((result.id, prediction.score, prediction.verdict, seconds))
        except Exception:
            # Whatever a challenger does, inspection goes on.
            _LOG.exception("the challenger of %s could not inspect result %d", result.model, result.id)
            running.failed += 1
        try:
            self._write(running, found)
        except Exception:
            _LOG.exception("what the challenger of %s said could not be written", result.model)
            running.failed += len(found)

    def _write(self, running: _Running, found: list[tuple[int, float, Verdict, float]]) -> None:
        dropped, failed = running.dropped, running.failed
        if not found and not dropped and not failed:
            return
        add_shadow_results(self._store, running.run.id, found, dropped, failed)
        with self._change:
            running.dropped -= dropped
            running.failed -= failed
