"""What one run of an inspection in parts took: time, workers and cost, while it runs and as a record."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from excision.storage.folder import Folder

RUNS = "runs"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run of one job.

    Attributes:
        began: when, in UTC, as ISO 8601.
        shard: of this job, such as "3/16".
        engine: "local" or "ray".
        workers: processes or actors.
        images: number of images that this run inspected.
        seconds: from the start of the workers to the end, their loading included.
        cost_per_hour: price of one worker for an hour; None if it was not given.
        cost: of all workers for that time, in the same currency.
        complete: whether the run did all that it had to do.
    """

    began: str
    shard: str
    engine: str
    workers: int
    images: int
    seconds: float
    cost_per_hour: float | None
    cost: float | None
    complete: bool

    @property
    def images_per_second(self) -> float:
        """Images that all workers together inspected in a second."""
        return self.images / self.seconds if self.seconds else 0.0

    def write(self, folder: Folder) -> None:
        """Write the record to a file of its own."""
        # Jobs that begin at once on several machines may have the same process number.
        began = self.began.partition("+")[0].replace(":", "").replace("-", "")
        name = f"{RUNS}/run-{began}-{self.shard.replace('/', 'of')}-{os.getpid()}.json"
        with folder.writing(name) as path:
            path.write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n", "utf-8")


@dataclass
class Meter:
    """Measures a run.

    Attributes:
        cost_per_hour: price of one worker for an hour, in any currency; None leaves cost out.
        workers: number of workers.
        done: number of images that are done.
    """

    cost_per_hour: float | None = None
    workers: int = 0
    done: int = 0
    _began: float = field(default_factory=time.time)
    _start: float = field(default_factory=time.monotonic)
    _first: tuple[float, int] | None = None

    def start(self, workers: int) -> None:
        """Begin to count the time of so many workers."""
        self.workers, self._began, self._start = workers, time.time(), time.monotonic()

    def count(self, done: int) -> None:
        """Note how many images are done."""
        self.done = done
        if self._first is None:
            self._first = time.monotonic(), done

    def figures(self, done: int, total: int) -> str:
        """Say what the run has cost until now, and what the rest will cost at the same speed."""
        if self.cost_per_hour is None or not self.workers:
            return ""
        spent = f"cost {self._cost(time.monotonic() - self._start):.2f}"
        if self._first is None or done <= self._first[1] or done >= total:
            return spent
        seconds = (time.monotonic() - self._first[0]) * (total - done) / (done - self._first[1])
        return f"{spent}, about {self._cost(seconds):.2f} left"

    def record(self, shard: str, engine: str, *, complete: bool) -> RunRecord:
        """Give the record of the run until now."""
        seconds = time.monotonic() - self._start
        return RunRecord(
            began=datetime.fromtimestamp(self._began, UTC).isoformat(timespec="seconds"),
            shard=shard,
            engine=engine,
            workers=self.workers,
            images=self.done,
            seconds=round(seconds, 3),
            cost_per_hour=self.cost_per_hour,
            cost=None if self.cost_per_hour is None else self._cost(seconds),
            complete=complete,
        )

    def _cost(self, seconds: float) -> float:
        return (self.cost_per_hour or 0.0) * self.workers * seconds / 3600
