"""The one training of a station at a time, in a process of its own that gives way to inspection."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from excision.errors import BusyError, SettingsError
from excision.jobs.child import Child, how_it_ended
from excision.station.improve.job import Job, Standing

_LOG = logging.getLogger(__name__)

_MODULE = "excision.station.improve"
_PATIENCE = 10.0  # seconds that a training gets to save its state when the station ends

SHARES: Mapping[str, tuple[float, float]] = {
    "collect": (0.0, 0.1),
    "train": (0.1, 0.8),
    "export": (0.8, 0.9),
    "compare": (0.9, 1.0),
}
"""Where each step begins and ends in the progress of a job as a whole, roughly."""


@dataclass(frozen=True, slots=True)
class Doing:
    """What the process says of itself.

    Attributes:
        job: what is asked.
        out: folder of the job.
        stage: what it does, in words; empty before it says so.
        done: steps that are done.
        total: of the stage; 0 before it is known.
    """

    job: Job
    out: Path
    stage: str = ""
    done: int = 0
    total: int = 0


def has_torch() -> bool:
    """Tell whether models can be trained here; nothing is imported."""
    return find_spec("torch") is not None


class Workshop:
    """Carries out improvements and trainings of new models, one at a time.

    Args:
        threads: of a training.
    """

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._doing: Doing | None = None
        self._follower: threading.Thread | None = None

    @property
    def doing(self) -> Doing | None:
        """Give what is under way, or None."""
        return self._doing

    def start(self, job: Job, out: Path) -> None:
        """Begin a job, or go on with the one of that folder.

        Raises:
            BusyError: another one is under way.
            SettingsError: torch is not installed here.
        """
        if not has_torch():
            raise SettingsError(
                "training needs torch, which is not installed on this station: pip install "
                '"excision[train]", or improve the model on another machine (excision improve)'
            )
        with self._lock:
            if self._doing is not None:
                raise BusyError(f"one training at a time: that of {self._doing.job.model} is under way")
            begun = Job.load(out)
            out.mkdir(parents=True, exist_ok=True)
            if begun is None:
                job.save(out)
            replace(Standing.load(out), state="running", reason="").save(out)
            self._stop.clear()
            self._doing = Doing(begun or job, out)
            self._follower = threading.Thread(
                target=self._follow, args=(job, out), name="improve", daemon=True
            )
            self._follower.start()

    def stop(self) -> None:
        """Ask the job to stop; it saves its state, and can go on later."""
        self._stop.set()

    def close(self) -> None:
        """Stop the job and wait a little for its end; a process that does not end ends with this one."""
        self.stop()
        follower = self._follower
        if follower is not None:
            follower.join(_PATIENCE)

    def _follow(self, job: Job, out: Path) -> None:
        try:
            content = {"job": job.to_json(), "out": str(out.absolute())}
            with Child(_MODULE, content, self._threads, told=True) as child:
                for message in child.messages(self._stop.is_set):
                    doing = self._doing
                    if doing is not None:
                        told = {key: message[key] for key in ("stage", "done", "total")}
                        self._doing = replace(doing, **told)
                status = child.wait()
            self._note(out, status)
        except Exception:
            _LOG.exception("the training in %s could not be followed", out)
        finally:
            self._doing = None

    def _note(self, out: Path, status: int) -> None:
        """Note how a process ended that could not say so itself."""
        standing = Standing.load(out)
        if standing.state not in ("done", "failed", "stopped"):
            stopped = self._stop.is_set()
            reason = "" if stopped else how_it_ended(status)
            with suppress(OSError):
                replace(standing, state="stopped" if stopped else "failed", reason=reason).save(out)
