"""Inspects parts on a Ray cluster: an actor for each worker, which opens the model once."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from excision.cluster.plan import Plan
from excision.cluster.processes import LISTEN, STILLBORN, STOPPED, deadly_images
from excision.cluster.worker import open_job
from excision.errors import ExcisionError, SettingsError
from excision.progress import Progress
from excision.system.interrupts import requests_to_stop

_LOCAL_STORE = 128 * 2**20  # bytes of Ray's object store on one machine: only the model is in it


_EVERY = 0.5
"""Seconds between two messages of an actor: one for each image would be too many from a large cluster."""


class _Log:
    """Remembers which image each part is at, beyond the death of the actor that inspects it."""

    def __init__(self) -> None:
        self._at: dict[int, int] = {}
        self._images: Counter[int] = Counter()

    def begin(self, part: int, place: int) -> None:
        self._at[part] = place
        self._images[part] = place + 1

    def forget(self, part: int) -> int | None:
        """Give the image that a part was at, and count its images no longer."""
        self._images.pop(part, None)
        return self._at.pop(part, None)

    def images(self) -> int:
        return self._images.total()


class _Actor:
    """Inspects parts with the model, whose files come through Ray's object store."""

    def __init__(self, job: dict[str, Any], files: Mapping[str, bytes], log: Any) -> None:
        self._log = log
        self._fault: str | None = None
        try:
            # An open model needs its files no longer, and an actor that is killed later leaves none behind.
            with tempfile.TemporaryDirectory(prefix="excision-") as folder:
                for name, content in files.items():
                    (Path(folder) / name).write_bytes(content)
                self._inspector = open_job({**job, "model": folder})
        except (ExcisionError, OSError) as error:
            self._fault = str(error)

    def do(self, part: int, again: bool, deadly: dict[int, str], careful: bool) -> str | None:
        """Inspect a part; gives the fault that would stop every other part as well.

        Args:
            part: number of the part.
            again: try the images that failed.
            deadly: images that must not be inspected, with the reason.
            careful: tell of each image, because an actor has died at this part.
        """
        if self._fault is not None:
            return self._fault
        try:
            begins = self._begins(part, _EVERY if not careful else 0.0)
            self._inspector.do(part, begins=begins, again=again, deadly=deadly)
        except (ExcisionError, OSError) as error:
            return str(error)
        return None

    def _begins(self, part: int, every: float) -> Callable[[int], None]:
        """Give what tells the log which image a part is at, at most so often."""
        told = -every

        def tell(place: int) -> None:
            nonlocal told
            if (now := time.monotonic()) - told >= every:
                told = now
                self._log.begin.remote(part, place)

        return tell


@dataclass
class RayActors:
    """Inspects parts on a Ray cluster.

    Attributes:
        job: what each actor opens, as for `Processes`; `out` must be the same folder on every machine.
        plan: of the inspection.
        workers: actors; None takes one for each processor core of the cluster.
        address: of the cluster, such as "auto" or "ray://head:10001"; None begins one on this machine.
        gpus: that each actor takes, such as 0.25 for four actors on one GPU.
        again: try the images that failed in finished parts.
        progress: called with the number of images done, and of all that are to be done.
        started: called with the number of actors when they are asked for.
    """

    job: dict[str, Any]
    plan: Plan
    workers: int | None = None
    address: str | None = None
    gpus: float = 0.0
    again: bool = False
    progress: Progress = lambda *_: None
    started: Callable[[int], None] = lambda _: None
    _waiting: deque[int] = field(default_factory=deque)
    _running: dict[Any, tuple[Any, int]] = field(default_factory=dict)
    _deaths: Counter[tuple[int, int]] = field(default_factory=Counter)
    _stillborn: int = 0

    def run(self, parts: Iterable[int]) -> None:
        """Do all parts.

        Raises:
            ExcisionError: an actor says that it cannot go on, or actors die before they begin an image.
            SettingsError: Ray is missing, or the cluster cannot be reached.
            KeyboardInterrupt: the user wants to stop; finished parts stay.
        """
        self._waiting.extend(parts)
        total = sum(self.plan.span(part)[1] for part in self._waiting)
        self.progress(0, total)
        ray = start_ray(self.address)
        try:
            with requests_to_stop() as stop:
                self._begin(ray)
                while self._running:
                    ready, _ = ray.wait(list(self._running), timeout=LISTEN)
                    for reference in ready:
                        self._hear(ray, reference)
                    self._tell(ray, total)
                    if stop.asked:
                        raise KeyboardInterrupt(STOPPED)
            self.progress(total, total)
        finally:
            ray.shutdown()

    def _begin(self, ray: Any) -> None:
        model = Path(self.job["model"])
        files = {path.name: path.read_bytes() for path in model.iterdir() if path.is_file()}
        self._files, self._log = ray.put(files), ray.remote(num_cpus=0, max_restarts=-1)(_Log).remote()
        takes = ray.remote(num_cpus=self.job["threads"], num_gpus=self.gpus, max_restarts=0)
        self._kind = takes(_Actor)
        most = self._most(ray.cluster_resources())
        actors = min(self.workers or most, len(self._waiting))
        self.started(actors)
        for _ in range(actors):
            self._give(self._kind.remote(self.job, self._files, self._log))

    def _most(self, cluster: Mapping[str, float]) -> int:
        """Give the number of actors that a cluster has room for.

        Raises:
            SettingsError: it has too few GPUs for a single one.
        """
        most = int(cluster.get("CPU", 1)) // int(self.job["threads"])
        if self.gpus:
            on_gpus = int(cluster.get("GPU", 0) / self.gpus)
            if not on_gpus:
                there = f"{cluster.get('GPU', 0):g}"
                raise SettingsError(f"the Ray cluster has {there} GPUs, and each worker takes {self.gpus:g}")
            most = min(most, on_gpus)
        return max(most, 1)

    def _give(self, actor: Any) -> None:
        if self._waiting:
            part = self._waiting.popleft()
            deadly = deadly_images(self._deaths, part)
            careful = any(where == part for where, _ in self._deaths)
            self._running[actor.do.remote(part, self.again, deadly, careful)] = actor, part

    def _hear(self, ray: Any, reference: Any) -> None:
        actor, part = self._running.pop(reference)
        try:
            fault = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise ExcisionError(f"an unexpected error of the program ({error.cause!r})") from error
        except ray.exceptions.RayError as error:
            # The actor or its machine is gone.
            self._bury(ray, part, error)
            return
        if fault is not None:
            raise ExcisionError(fault)
        self._stillborn = 0
        self._give(actor)

    def _tell(self, ray: Any, total: int) -> None:
        # Its actor may be on a machine that is gone; a new one counts from there on.
        with suppress(ray.exceptions.RayError):
            self.progress(min(ray.get(self._log.images.remote()), total - 1), total)

    def _bury(self, ray: Any, part: int, error: Exception) -> None:
        """Note that an actor has died, and let another one do its part."""
        place = None
        with suppress(ray.exceptions.RayError):
            place = ray.get(self._log.forget.remote(part))
        if place is None:
            self._stillborn += 1
            if self._stillborn >= STILLBORN:
                raise ExcisionError(f"actors died before they began an image: {error}") from error
        else:
            self._stillborn = 0
            self._deaths[part, place] += 1
        self._waiting.appendleft(part)
        self._give(self._kind.remote(self.job, self._files, self._log))


def start_ray(address: str | None) -> Any:
    """Reach a Ray cluster, or begin one on this machine if there is no address, and give the package.

    Raises:
        SettingsError: Ray is missing, or the cluster cannot be reached.
    """
    # Ray reports its use to its makers unless it is told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address is not None and _has_token():
        # `ray start --head` asks for a token since Ray 2.60, but a program shows none unless it is told to.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise SettingsError('--engine ray needs Ray; install it with: pip install "excision[ray]"') from error
    local: dict[str, Any] = {}
    if address is None:
        local = {"object_store_memory": _LOCAL_STORE, "include_dashboard": False}
    try:
        ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR, **local)
    except Exception as error:
        # Such as a plain Exception when Ray has taken too long to begin.
        if address is None:
            raise SettingsError(f"Ray cannot begin a cluster on this machine: {error}") from error
        raise SettingsError(
            f"Ray cannot be reached at {address}: {error}; a cluster that asks for a token needs it in "
            "~/.ray/auth_token, or in RAY_AUTH_TOKEN in the environment"
        ) from error
    return ray


def _has_token() -> bool:
    """Tell whether this user has the token of a cluster, where Ray looks for it."""
    named = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    return named or (Path.home() / ".ray" / "auth_token").is_file()
