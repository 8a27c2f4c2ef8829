"""Several jobs at once, each in a process of its own on this machine."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from excision.jobs.child import LISTEN, STOPPED, Child, Message
from excision.system.interrupts import requests_to_stop


@dataclass(frozen=True, slots=True)
class Job:
    """What one process does.

    Attributes:
        name: unique among the jobs that run together.
        module: main module of the process.
        content: what it is told; JSON.
        alone: it needs a machine without other jobs, because it measures time.
    """

    name: str
    module: str
    content: dict[str, Any]
    alone: bool = False


Hear = Callable[[Job, Message], None]
"""Called with each message of a job."""

Ended = Callable[[Job, int], None]
"""Called with the exit status of a job; negative if a signal ended it."""


class Pool(Protocol):
    """Does jobs, several at once."""

    def run(self, jobs: Iterable[Job], hear: Hear, ended: Ended) -> None:
        """Do all jobs; `hear` and `ended` are called in this thread.

        Raises:
            KeyboardInterrupt: the user wants to stop; the processes have saved their state and ended.
        """


@dataclass
class LocalPool:
    """Does jobs in processes of this machine.

    Attributes:
        workers: jobs at once.
        threads: of each.
    """

    workers: int
    threads: int

    def run(self, jobs: Iterable[Job], hear: Hear, ended: Ended) -> None:
        """Do all jobs."""
        waiting, running = deque(jobs), 0
        heard: queue.SimpleQueue[tuple[Job, Message | int]] = queue.SimpleQueue()
        given_up = threading.Event()
        try:
            with requests_to_stop() as stop:
                while waiting or running:
                    if stop.asked:
                        given_up.set()
                        waiting.clear()
                    while waiting and running < self.workers:
                        self._start(waiting.popleft(), given_up, heard)
                        running += 1
                    with suppress(queue.Empty):
                        job, message = heard.get(timeout=LISTEN)
                        if isinstance(message, dict):
                            hear(job, message)
                            continue
                        running -= 1
                        if message != STOPPED or not stop.asked:
                            ended(job, message)
                if stop.asked:
                    raise KeyboardInterrupt
        finally:
            # After an error the processes end like this one's own: they save their state.
            given_up.set()

    def _start(
        self, job: Job, given_up: threading.Event, heard: queue.SimpleQueue[tuple[Job, Message | int]]
    ) -> None:
        def follow() -> None:
            status = 1
            try:
                with Child(job.module, job.content, self.threads, told=True) as child:
                    for message in child.messages(given_up.is_set):
                        heard.put((job, message))
                    status = child.wait()
            finally:
                heard.put((job, status))

        threading.Thread(target=follow, daemon=True).start()
