"""Worker processes of one machine: started, given parts, and replaced when they die."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from excision.cluster.plan import Plan
from excision.errors import ExcisionError
from excision.progress import Progress
from excision.system.interrupts import requests_to_stop

DEADLY = 3
"""Deaths of workers at the same image, after which it is not tried again."""

STILLBORN = 3
"""Deaths in a row of workers that began no image, after which the inspection ends."""

LISTEN = 0.5
"""Seconds between two looks at whether the user wants to stop."""

STOPPED = "stopped; finished parts are kept, and the same command continues"


_BEGIN = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
    "from excision.cluster.worker import main; sys.exit(main())"
)
"""Begins a worker that finds the modules that its parent finds, and none in the working folder besides."""


def deadly_images(deaths: Mapping[tuple[int, int], int], part: int) -> dict[int, str]:
    """Give the images of a part that are not tried again, each with the reason.

    Args:
        deaths: number of processes that died, by part and image within it.
        part: number of the part.
    """
    return {
        place: f"the process that inspected it died {times} times: killed, or out of memory"
        for (where, place), times in deaths.items()
        if where == part and times >= DEADLY
    }


@dataclass
class _Worker:
    """A process, and what it is doing."""

    process: subprocess.Popen[str]
    folder: tempfile.TemporaryDirectory[str]
    part: int | None = None
    image: int | None = None
    images: int = 0
    began: bool = False


@dataclass
class Processes:
    """Inspects parts in several processes.

    Attributes:
        job: what each worker opens: model, out, threads, device, readers, budget.
        plan: of the inspection.
        workers: number of processes.
        again: try the images that failed in finished parts.
        progress: called with the number of images done, and of all that are to be done.
        started: called with the number of workers when they are started.
    """

    job: dict[str, Any]
    plan: Plan
    workers: int
    again: bool = False
    progress: Progress = lambda *_: None
    started: Callable[[int], None] = lambda _: None
    _heard: queue.SimpleQueue[tuple[_Worker, dict[str, Any] | None]] = field(
        default_factory=queue.SimpleQueue
    )
    _waiting: deque[int] = field(default_factory=deque)
    _running: list[_Worker] = field(default_factory=list)
    _deaths: Counter[tuple[int, int]] = field(default_factory=Counter)
    _stillborn: int = 0
    _done: int = 0
    _total: int = 0

    def run(self, parts: Iterable[int]) -> None:
        """Do all parts.

        Raises:
            ExcisionError: a worker says that it cannot go on, or workers die before they begin an image.
            KeyboardInterrupt: the user wants to stop; finished parts stay.
        """
        self._waiting.extend(parts)
        self._total = sum(self.plan.span(part)[1] for part in self._waiting)
        self._tell()
        try:
            with requests_to_stop() as stop:
                workers = min(self.workers, len(self._waiting))
                self.started(workers)
                for _ in range(workers):
                    self._start()
                while self._running:
                    with suppress(queue.Empty):
                        self._hear(*self._heard.get(timeout=LISTEN))
                    if stop.asked:
                        raise KeyboardInterrupt(STOPPED)
        finally:
            self._end()

    def _start(self) -> None:
        # What a worker that is killed leaves behind is removed with this folder.
        folder = tempfile.TemporaryDirectory(prefix="excision-", ignore_cleanup_errors=True)
        # In a new session a worker does not get the terminal's Ctrl-C.
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _BEGIN, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=_environment(self.job["threads"], folder.name),
            start_new_session=True,
        )
        worker = _Worker(process, folder)
        self._running.append(worker)
        threading.Thread(target=self._listen, args=(worker,), daemon=True).start()
        self._send(worker, self.job)

    def _listen(self, worker: _Worker) -> None:
        assert worker.process.stdout is not None  # requested above
        with suppress(ValueError, OSError):  # the output is closed when the inspection ends
            for line in worker.process.stdout:
                # A worker that was killed may leave half a line.
                with suppress(json.JSONDecodeError):
                    self._heard.put((worker, json.loads(line)))
        self._heard.put((worker, None))

    def _hear(self, worker: _Worker, message: dict[str, Any] | None) -> None:
        if message is None:
            self._bury(worker)
        elif "fault" in message:
            raise ExcisionError(str(message["fault"]))
        elif "image" in message:
            worker.image, worker.began, self._stillborn = int(message["image"]), True, 0
            worker.images += 1
            self._done += 1
            self._tell()
        else:
            if "part" in message:
                # Images that were kept, or that are not tried again, were not begun.
                self._done += self.plan.span(int(message["part"]))[1] - worker.images
                self._tell()
            self._give(worker)

    def _give(self, worker: _Worker) -> None:
        worker.part = worker.image = None
        worker.images = 0
        if not self._waiting:
            assert worker.process.stdin is not None  # requested above
            with suppress(OSError):
                worker.process.stdin.close()
            return
        worker.part = self._waiting.popleft()
        deadly = deadly_images(self._deaths, worker.part)
        self._send(worker, {"part": worker.part, "again": self.again, "deadly": deadly})

    def _send(self, worker: _Worker, message: dict[str, Any]) -> None:
        assert worker.process.stdin is not None  # requested above
        # A worker that died is noticed by the end of its output.
        with suppress(OSError):
            worker.process.stdin.write(json.dumps(message) + "\n")
            worker.process.stdin.flush()

    def _bury(self, worker: _Worker) -> None:
        """Note that a worker has ended, and replace it if there is more to do."""
        status = worker.process.wait()
        self._close(worker)
        if worker.part is not None:
            self._waiting.appendleft(worker.part)
            self._done -= worker.images
            self._tell()
            if worker.image is not None:
                self._deaths[worker.part, worker.image] += 1
        if not worker.began and (worker.part is not None or status):
            self._stillborn += 1
            if self._stillborn >= STILLBORN:
                raise ExcisionError(
                    f"{self._stillborn} processes in a row ended before they began an image (exit status "
                    f"{status}); what they printed says why, or memory is short: use fewer --workers"
                )
        if self._waiting:
            self._start()

    def _close(self, worker: _Worker) -> None:
        self._running.remove(worker)
        for stream in (worker.process.stdin, worker.process.stdout):
            assert stream is not None  # requested above
            with suppress(OSError):
                stream.close()
        worker.folder.cleanup()

    def _tell(self) -> None:
        self.progress(self._done, self._total)

    def _end(self) -> None:
        """End the workers that are left; what they were doing is done again another time."""
        for worker in self._running:
            worker.process.kill()
        for worker in list(self._running):
            worker.process.wait()
            self._close(worker)


def _environment(threads: int, temporary: str) -> dict[str, str]:
    # A run folder is inspected by torch, which reads this; the user's own choice stands.
    return {"OMP_NUM_THREADS": str(threads), **os.environ, "TMPDIR": temporary}
