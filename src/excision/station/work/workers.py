"""Threads that inspect accepted images, and one that writes results to disk before they are answered.

An image is always inspected alone, so that its score is the same bit for bit whatever else is in progress.
What is done together is the writing: results that are ready go to the disk in one transaction, and only
then are they answered. Inspecting never waits for the disk.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from excision.errors import BusyError
from excision.station.parts.codes import Reading
from excision.station.store.records import StoredResult
from excision.station.store.store import Store
from excision.station.work.kept_images import Images
from excision.station.work.queue import Job, JobQueue, Outcome

_LOG = logging.getLogger(__name__)

MOST_TOGETHER = 8
"""Results in one transaction at most."""

LINGER = 0.02
"""Seconds that a result may wait for others to be written with it, while images wait to be inspected."""


class Observer(Protocol):
    """Something that counts results."""

    def answered(self, outcomes: Sequence[Outcome], storing: float) -> None:
        """Note results that are on disk, and the seconds that storing them took."""


class Assigning(Protocol):
    """Says which parts results belong to."""

    def assign(self, results: Sequence[StoredResult], codes: Sequence[Reading | None]) -> list[StoredResult]:
        """Give results, which are not stored yet, with their parts."""

    def dropped(self, results: Sequence[StoredResult]) -> None:
        """Hear that results could not be stored."""


class Workers:
    """The threads of a station.

    Args:
        jobs: where images come from.
        inspect: inspects one; it raises where the disk is at fault.
        store: keeps the results.
        images: keep the uploads.
        count: of threads that inspect.
        explain: gives the fault of the disk or of the file of results behind an error, or None.
        observer: is called with every result.
        parts: says which parts results belong to; None for none.
    """

    def __init__(
        self,
        jobs: JobQueue,
        inspect: Callable[[Job], Outcome],
        store: Store,
        images: Images,
        count: int,
        explain: Callable[[Exception], Exception | None],
        observer: Observer | None = None,
        parts: Assigning | None = None,
    ) -> None:
        self._jobs = jobs
        self._inspect = inspect
        self._store = store
        self._images = images
        self._explain = explain
        self._observer = observer
        self._parts = parts
        # As bounded as the queue of jobs: each image in it is an accepted one.
        self._ready: queue.SimpleQueue[tuple[Job, Outcome] | None] = queue.SimpleQueue()
        self._inspecting = [
            threading.Thread(target=self._run, name=f"inspect-{number}", daemon=True)
            for number in range(count)
        ]
        self._keeping = threading.Thread(target=self._keep, name="keep", daemon=True)
        for thread in (*self._inspecting, self._keeping):
            thread.start()

    @property
    def are_alive(self) -> bool:
        """Tell whether every thread runs."""
        return all(thread.is_alive() for thread in (*self._inspecting, self._keeping))

    def finish(self) -> None:
        """Finish and answer what is accepted, then end; the queue is closed."""
        for thread in self._inspecting:
            thread.join()
        self._ready.put(None)
        self._keeping.join()

    def _run(self) -> None:
        while (job := self._jobs.take()) is not None:
            try:
                job.write()
                self._ready.put((job, self._inspect(job)))
            except Exception as error:
                self._refuse([job], error)

    def _keep(self) -> None:
        going = True
        while going:
            batch = self._gather()
            going = None not in batch
            ready = [item for item in batch if item is not None]
            if ready:
                self._answer([job for job, _ in ready], [outcome for _, outcome in ready])

    def _gather(self) -> list[tuple[Job, Outcome] | None]:
        """Take what is ready; while more than that is waiting to be inspected, a little later as well."""
        batch = [self._ready.get()]
        end = time.monotonic() + LINGER
        while len(batch) < MOST_TOGETHER and batch[-1] is not None:
            try:
                patience = end - time.monotonic() if self._jobs.waiting else 0.0
                batch.append(self._ready.get(timeout=max(patience, 0.0)))
            except queue.Empty:
                break
        return batch

    def _answer(self, jobs: list[Job], outcomes: list[Outcome]) -> None:
        start = time.perf_counter()
        try:
            outcomes = self._assigned(outcomes)
            numbers = self._write(jobs, outcomes)
        except Exception as error:
            if self._parts is not None:
                self._parts.dropped([outcome.result for outcome in outcomes])
            self._refuse(jobs, error)
            return
        storing = time.perf_counter() - start
        _remove([job for job, outcome in zip(jobs, outcomes, strict=True) if outcome.result.image is None])
        self._jobs.release(len(jobs))
        took = {"store": round(storing, 6)}
        known = [
            replace(outcome, result=replace(found, id=number or 0, seconds=found.seconds | took))
            for outcome, number in zip(outcomes, numbers, strict=True)
            for found in (outcome.result,)
        ]
        if self._observer is not None:
            self._observer.answered(known, storing)
        for job, outcome in zip(jobs, known, strict=True):
            job.answer.set_result(outcome)

    def _assigned(self, outcomes: list[Outcome]) -> list[Outcome]:
        if self._parts is None:
            return outcomes
        results = [outcome.result for outcome in outcomes]
        results = self._parts.assign(results, [outcome.code for outcome in outcomes])
        return [replace(outcome, result=result) for outcome, result in zip(outcomes, results, strict=True)]

    def _refuse(self, jobs: list[Job], error: Exception) -> None:
        """Say that results could not be written; if the thread ended here, nothing would be answered."""
        fault = self._explain(error)
        if fault is None:
            _LOG.exception("results could not be written")
            fault = BusyError(f"the result could not be written to disk ({error})")
        else:
            _LOG.error("%d results could not be written: %s", len(jobs), fault)
        _remove(jobs)
        self._jobs.release(len(jobs))
        for job in jobs:
            job.answer.set_exception(fault)

    def _write(self, jobs: list[Job], outcomes: list[Outcome]) -> list[int | None]:
        results = [outcome.result for outcome in outcomes]
        kept = [(job.path, result.image) for job, result in zip(jobs, results, strict=True) if result.image]
        # Before anything is moved: there may be nowhere to move it to.
        self._store.check()
        try:
            self._images.settle(kept)
            return self._store.add(results)
        except Exception:
            self._take_back([place for _, place in kept], [result.time for result in results])
            raise

    def _take_back(self, places: list[str], times: list[float]) -> None:
        # An error at the very end may come after the rows: an image with a row stays.
        try:
            known = self._store.images(min(times), max(times) + 1e-6)
        except Exception:
            return
        self._images.take_back([place for place in places if place not in known])


def _remove(jobs: Sequence[Job]) -> None:
    for job in jobs:
        with contextlib.suppress(OSError):
            job.path.unlink(missing_ok=True)
