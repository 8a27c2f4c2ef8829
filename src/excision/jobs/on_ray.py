"""Jobs on a Ray cluster: each task starts a process of its own on the machine where it runs."""

from __future__ import annotations

import math
import signal
import subprocess
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from excision.cluster.ray_actors import start_ray
from excision.jobs.child import GRACE, LISTEN, STOPPED, Child, Message
from excision.jobs.pool import Ended, Hear, Job
from excision.jobs.shares import MEMORY_GIB
from excision.system.interrupts import requests_to_stop

_RETRIES = 3  # of a task whose machine died


class _Latest:
    """The latest message of each job, so that memory stays flat however slowly they are heard."""

    def __init__(self) -> None:
        self._messages: dict[str, Message] = {}

    def tell(self, name: str, message: Message) -> None:
        self._messages[name] = message

    def take(self) -> dict[str, Message]:
        taken, self._messages = self._messages, {}
        return taken


def _do(job: Job, threads: int, latest: Any) -> int:
    """Do a job in a child of the Ray worker; the child ends when the worker does, or is cancelled."""
    # A shell may have started the cluster with SIGINT ignored, but SIGINT is how Ray cancels a task.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with Child(job.module, job.content, threads, told=True) as child:
        try:
            for message in child.messages():
                latest.tell.remote(job.name, message)
            return child.wait()
        except KeyboardInterrupt:
            child.stop()
            with suppress(subprocess.TimeoutExpired):
                child.wait(GRACE)
            return STOPPED


@dataclass
class RayPool:
    """Does jobs on a Ray cluster.

    A job whose machine dies is begun again elsewhere, three times at most. What a job reads and writes must
    be the same place on every machine.

    Attributes:
        address: of the cluster, such as "auto" or "ray://head:10001"; None begins one on this machine.
        workers: jobs at once; None leaves that to the cores, the memory and the GPUs of the cluster.
        threads: cores and threads of each, and at most those of the smallest machine; None takes one, or more
            where there are more cores than jobs.
        gpus: share of a GPU for each.
        memory_gib: memory of each.
    """

    address: str | None = None
    workers: int | None = None
    threads: int | None = None
    gpus: float = 0.0
    memory_gib: float = MEMORY_GIB

    def run(self, jobs: Iterable[Job], hear: Hear, ended: Ended) -> None:
        """Do all jobs.

        Raises:
            SettingsError: Ray is missing, or the cluster cannot be reached.
            KeyboardInterrupt: the user wants to stop; the processes have saved their state and ended.
        """
        waiting = deque(jobs)
        if not waiting:
            return
        ray = start_ray(self.address)
        try:
            _Run(ray, self, waiting, hear, ended).all()
        finally:
            ray.shutdown()


class _Run:
    """The jobs of one call of `RayPool.run`."""

    def __init__(self, ray: Any, pool: RayPool, waiting: deque[Job], hear: Hear, ended: Ended) -> None:
        self._ray, self._pool, self._waiting, self._hear, self._ended = ray, pool, waiting, hear, ended
        self._by_name = {job.name: job for job in waiting}
        self._running: dict[Any, Job] = {}
        self._latest = ray.remote(num_cpus=0, max_restarts=-1)(_Latest).remote()
        cores = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
        self._nodes = [each for each in cores if each] or [1]
        self._threads = min(pool.threads, *self._nodes) if pool.threads else self._share(len(waiting))

    def all(self) -> None:
        with requests_to_stop() as stop:
            while self._waiting or self._running:
                if stop.asked:
                    self._give_up()
                    raise KeyboardInterrupt
                self._start()
                ready, _ = self._ray.wait(list(self._running), timeout=LISTEN)
                self._tell()
                for reference in ready:
                    self._finish(reference)

    def _share(self, jobs: int) -> int:
        """Share the cores out among the jobs; none gets more than the smallest machine has."""
        at_once = min(jobs, self._pool.workers or jobs)
        return max(1, min(sum(self._nodes) // at_once, *self._nodes))

    def _start(self) -> None:
        while self._waiting and len(self._running) < (self._pool.workers or math.inf):
            job = self._waiting.popleft()
            cores = max(self._nodes) if job.alone else self._threads
            kind = self._ray.remote(
                num_cpus=cores,
                num_gpus=self._pool.gpus,
                memory=int(self._pool.memory_gib * 2**30),
                max_retries=_RETRIES,
            )(_do)
            self._running[kind.remote(job, cores, self._latest)] = job

    def _tell(self) -> None:
        # The actor may be on a machine that is gone; a new one hears what comes.
        with suppress(self._ray.exceptions.RayError):
            for name, message in self._ray.get(self._latest.take.remote(), timeout=GRACE).items():
                self._hear(self._by_name[name], message)

    def _finish(self, reference: Any) -> None:
        job = self._running.pop(reference)
        try:
            status = self._ray.get(reference)
        except self._ray.exceptions.RayError:
            # The worker or its machine is gone, as often as it was tried.
            status = -9
        self._ended(job, status)

    def _give_up(self) -> None:
        for reference in self._running:
            self._ray.cancel(reference)
        self._ray.wait(list(self._running), num_returns=len(self._running), timeout=GRACE)
