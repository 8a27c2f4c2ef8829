"""A process that does one job, so that memory is its own, and a crash or a kill affects only that job.

The job is one line of JSON on standard input, which then stays open: when it closes, the child stops as on
Ctrl-C. So it stops once and cleanly, whether Ctrl-C was pressed or the parent was killed.
"""

from __future__ import annotations

import _thread
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Self

from excision.progress import Shown

STOPPED = 130
"""Exit status of a child that was stopped."""

GRACE = 60.0
"""Seconds that a child gets to save its state."""

LISTEN = 0.3
"""Seconds between two looks at whether a child is to stop."""

_EVERY = 0.2  # seconds between two messages about the same stage

_BEGIN = (
    "import json, runpy, sys; sys.path[:] = json.loads(sys.argv.pop()); name = sys.argv.pop(); "
    "runpy.run_module(name, run_name='__main__', alter_sys=True)"
)
"""Begins a child that finds the modules that its parent finds, and none in the working folder besides."""

Message = dict[str, Any]


class Child:
    """A process that does one job.

    Args:
        module: its main module, which calls `serve`.
        job: what it is to do.
        threads: of torch and of numpy in it, unless the user's own choice stands; None leaves them as they
            are.
        told: read its messages; otherwise its output is that of this process.
    """

    def __init__(
        self, module: str, job: dict[str, Any], threads: int | None = None, *, told: bool = False
    ) -> None:
        environment = dict(os.environ)
        if threads is not None:
            environment.setdefault("OMP_NUM_THREADS", str(threads))
        # In a new session it does not get the terminal's Ctrl-C; closing its input stops it exactly once.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _BEGIN, module, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if told else None,
            text=True,
            encoding="utf-8",
            env=environment,
            start_new_session=True,
        )
        self._heard: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        # A child that died at once is noticed by its exit status.
        with suppress(OSError):
            assert self._process.stdin is not None  # requested above
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()
        if told:
            threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if stream is not None:
                    stream.close()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and give its exit status; negative if a signal ended it."""
        return self._process.wait(timeout)

    def messages(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Message]:
        """Give its messages until it ends; it is stopped once `stop` says so, and killed if it does not."""
        deadline = None
        while True:
            with suppress(queue.Empty):
                message = self._heard.get(timeout=LISTEN)
                if message is None:
                    return
                yield message
            if deadline is None and stop():
                self.stop()
                deadline = time.monotonic() + GRACE
            if deadline is not None and time.monotonic() > deadline:
                self._process.kill()

    def stop(self) -> None:
        """Ask it to save its state and end."""
        with suppress(OSError):
            assert self._process.stdin is not None  # requested above
            self._process.stdin.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None  # requested above
        with suppress(ValueError, OSError):  # the output is closed when the job is given up
            for line in self._process.stdout:
                # A child that was killed may leave half a line.
                with suppress(json.JSONDecodeError):
                    self._heard.put(json.loads(line))
        self._heard.put(None)


def launch(module: str, job: dict[str, Any]) -> int:
    """Do a job in a child whose output is that of this process, and return its exit status.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed; the child has saved its state and ended.
    """
    with Child(module, job) as child:
        try:
            return child.wait()
        except KeyboardInterrupt:
            child.stop()
            with suppress(subprocess.TimeoutExpired):
                child.wait(GRACE)
            raise


def how_it_ended(status: int) -> str:
    """Say how a child ended that has told no reason."""
    if status == -signal.SIGKILL:
        return "its process was killed by signal 9: by someone, or because memory is short"
    return f"its process was killed by signal {-status}" if status < 0 else f"it ended with status {status}"


def serve(do: Callable[[dict[str, Any]], int]) -> int:
    """Do the job on standard input, and return the exit status."""
    # A shell may have started the parent with SIGINT ignored, and Ray blocks it in its workers, but SIGINT is
    # how a child is stopped.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        job = json.loads(sys.stdin.readline())
        threading.Thread(target=_stop_with_parent, daemon=True).start()
        return do(job)
    except KeyboardInterrupt:
        return STOPPED


class Messages(Shown):
    """Tells the parent what goes on, as messages with "stage", "done", "total" and "figures".

    What a library prints must not come between them: standard output becomes standard error.
    """

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._told: dict[str, float] = {}

    def stage(self, what: str, done: int, total: int, figures: str = "") -> None:
        now = time.monotonic()
        if done < total and now - self._told.get(what, 0.0) < _EVERY:
            return
        self._told[what] = now
        # A parent that was killed hears nothing more; the input says so, too, and ends the job.
        with suppress(OSError):
            self._out.write(
                json.dumps({"stage": what, "done": done, "total": total, "figures": figures}) + "\n"
            )
            self._out.flush()


def _stop_with_parent() -> None:
    # Read below the text layer, whose lock would block the exit of the program.
    while os.read(0, 4096):
        pass
    if hasattr(signal, "pthread_kill"):
        # Unlike `interrupt_main`, a signal also wakes a main thread that is waiting.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()
    time.sleep(GRACE)
    # Files are replaced atomically, so this leaves none incomplete.
    os._exit(STOPPED)
